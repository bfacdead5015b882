import { ShopClient, type Book } from "./shop.js";
import { CallFailed } from "./transport.js";

const [base, token] = process.argv.slice(2) as [string, string];
const shop = new ShopClient(base, { headers: { authorization: `Bearer ${token}` } });

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
console.log("OK");
