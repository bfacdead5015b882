import { ShopClient, type Book } from "./shop.js";
import { ShopClient as ChangedClient } from "./changed/shop.js";
import { ContractMismatch } from "./changed/transport.js";
import { MissingRaised, PlusClient, type Shape } from "./plus.js";
import { CallFailed, type Metadata } from "./transport.js";
import { ShopClient as WiderClient } from "./wider/shop.js";

const [base, token] = process.argv.slice(2) as [string, string];
const seen: Metadata[] = [];
const options = { headers: { authorization: `Bearer ${token}` }, onMetadata: (each: Metadata) => seen.push(each) };
const shop = new ShopClient(base, options);

function check(condition: boolean, what: string): void {
  if (!condition) {
    throw new Error(`not so: ${what}`);
  }
}

const book: Book | null = await shop.findBook(7);
check(book !== null && book.title === "Zoë" && book.binding === "HARD_COVER" && book.lines[0]?.count === 3, "a book");
check((await shop.findBook(-1)) === null, "nothing");
check((await shop.allBooks({})).map((each) => each.id).join() === "1,2", "all books");
try {
  await shop.findBook(1.5);
  check(false, "refused");
} catch (error) {
  check(error instanceof CallFailed && error.status === 400 && error.body.includes("expected Int32"), "the reason");
}
check(seen[0]?.["content-type"] === "application/json", "metadata of an answer");

const shapes: Shape[] = [];
for await (const each of new PlusClient(base, options).watch(3)) {
  shapes.push(each);
}
check(JSON.stringify(shapes[2]) === '{"CIRCLE":{"radius":2,"tags":[]}}' && shapes.length === 3, "a stream");
for await (const each of new PlusClient(base, options).watch(14)) {
  const tags = typeof each === "object" && "CIRCLE" in each ? each.CIRCLE.tags : [];
  check(tags[0] === "no end of line:\u2028 \x85 \x0b", "a text that has what some take for the end of a line");
}
for await (const each of new PlusClient(base, options).watch(1_000_000)) {
  check(typeof each === "object", "a stream that is left");
  break;
}

const plus = new PlusClient(base, options);
check((await plus.look("here")) === 1, "what raises nothing");
async function watched(): Promise<void> {
  for await (const _ of plus.watch(-1)) {
    check(false, "a stream that fails at once");
  }
}
for (const [call, what] of [[plus.look("there"), "there"], [watched(), "a count"]] as const) {
  const error: unknown = await call.then(() => null, (each: unknown) => each);
  check(error instanceof MissingRaised && error instanceof Error && error.value.what === what, "a declared error");
}

try {
  await new ChangedClient(base, options).findBook(7);
  check(false, "another contract");
} catch (error) {
  check(error instanceof ContractMismatch && /find_book: result.*price: it was Double/.test(error.breaking[0] ?? ""), "named");
}
check((await new WiderClient(base, options).findBook(7))?.id === 7, "a contract that will do");
console.log("OK");
