%% What is gathered: units of work, and how.

%% Calls under way at a time.
-define(IN_FLIGHT, 16).

%% What is done by one call: how many results it gives, how it is begun, how they are had from its outcome, what is done
%% instead when it is lost (nothing where it must not be begun again), and whether a second one may run beside it.
-record(unit, {
    count = 1 :: pos_integer(),
    start :: fun(() -> term()),
    expand :: fun((term()) -> [{ok, term()} | {error, py_error:error()}]),
    again = [] :: fun(() -> [unit()]) | [],
    twice = false :: boolean()
}).
-type unit() :: #unit{}.

%% `total' is the number of results.
-record(job, {units :: [unit()], settings :: map(), total :: non_neg_integer()}).
