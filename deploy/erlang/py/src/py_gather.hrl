%% What is gathered: units of work, and how.

%% Calls under way at a time.
-define(IN_FLIGHT, 16).
%% Items in one call, where nobody has said how many.
-define(MOST_IN_CHUNK, 1000).

%% What is done by one call: how many results it gives, how it is begun, how they are had from its outcome, what is done
%% instead when it is lost (nothing where it must not be begun again), and whether a second one may run beside it.
-record(unit, {
    count = 1 :: pos_integer(),
    start :: fun((py_inbox:inbox()) -> py_call:begun()),
    expand :: fun((term()) -> [{ok, term()} | {error, py_error:error()}]),
    again = [] :: fun(() -> [unit()]) | [],
    twice = false :: boolean()
}).
-type unit() :: #unit{}.

%% Where units come from while there is room for them: `Size' items, or what there is up to so many, become units.
-type source() :: fun((Size :: pos_integer()) -> {[unit()], source()} | done).

%% `total' is the number of results, where it is known.
-record(job, {
    units = [] :: [unit()], source = none :: source() | none, settings :: map(), total :: non_neg_integer() | undefined
}).
