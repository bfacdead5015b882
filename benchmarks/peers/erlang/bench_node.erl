%% A node to measure from: `benchmarks/erlang.py` starts it and asks for one number at a time.
%%
%% Each line of its input is an Erlang expression; the answer is `= Number` on a line of its own. What is measured
%% shares this code with its floor: the same port, the same term_to_binary, the same receive.
-module(bench_node).

-export([main/0, open/2, close/1, p50/3, p50/2, seconds/2, start/2]).

main() ->
    case io:get_line("") of
        eof ->
            init:stop();
        Line ->
            {ok, Tokens, _} = erl_scan:string(Line),
            {ok, Expressions} = erl_parse:parse_exprs(Tokens),
            {value, Value, _} = erl_eval:exprs(Expressions, []),
            io:format("= ~w~n", [Value]),
            main()
    end.

%% A port under a name. 1, so that there is a number to print.
open(Name, Command) ->
    put(Name, port(Command)),
    1.

close(Name) ->
    Port = erase(Name),
    port_close(Port),
    1.

%% The median of so many round trips of a term through a port, in microseconds.
p50(Name, Term, Count) ->
    Port = get(Name),
    median([round_trip(Port, Term) || _ <- lists:seq(1, Count)]) / 1000.

%% The same of any fun.
p50(Fun, Count) ->
    median([timed(Fun) || _ <- lists:seq(1, Count)]) / 1000.

%% How long so many round trips take, in seconds.
seconds(Name, {Term, Count}) ->
    Port = get(Name),
    lists:sum([round_trip(Port, Term) || _ <- lists:seq(1, Count)]) / 1.0e9.

%% From opening a port to its first answer, in milliseconds.
start(Command, Term) ->
    Started = erlang:monotonic_time(nanosecond),
    Port = port(Command),
    round_trip(Port, Term),
    Taken = erlang:monotonic_time(nanosecond) - Started,
    port_close(Port),
    Taken / 1.0e6.

port(Command) ->
    open_port({spawn, Command}, [{packet, 4}, binary, hide]).

round_trip(Port, Term) ->
    Started = erlang:monotonic_time(nanosecond),
    port_command(Port, term_to_binary(Term, [{minor_version, 1}])),
    receive
        {Port, {data, Data}} -> _ = binary_to_term(Data)
    end,
    erlang:monotonic_time(nanosecond) - Started.

timed(Fun) ->
    Started = erlang:monotonic_time(nanosecond),
    Fun(),
    erlang:monotonic_time(nanosecond) - Started.

median(Values) ->
    lists:nth((length(Values) + 1) div 2, lists:sort(Values)).
