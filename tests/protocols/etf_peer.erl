%% The other side of test_etf_differential.py: a node that is asked, batch by batch, what it makes of encoded terms.
%% Frames are {packet, 4}: one byte says what is wanted, the rest depends on it. A batch is a sequence of
%% <<Length:32, Term:Length/binary>>.
-module(etf_peer).
-export([main/0]).

main() ->
    Wire = open_port({fd, 0, 1}, [binary, {packet, 4}, eof]),
    serve(Wire, #{}).

serve(Wire, State) ->
    receive
        {Wire, {data, <<Op, Rest/binary>>}} ->
            {Reply, Next} =
                try answer(Op, Rest, State)
                catch Class:Reason:Stack -> {io_lib:format("! ~tp", [{Class, Reason, Stack}]), State}
                end,
            port_command(Wire, unicode_or_bytes(Reply)),
            serve(Wire, Next);
        {Wire, eof} ->
            halt(0)
    end.

unicode_or_bytes(Reply) when is_binary(Reply) -> Reply;
unicode_or_bytes(Reply) ->
    case unicode:characters_to_binary(Reply) of
        Text when is_binary(Text) -> Text;
        _ -> iolist_to_binary(Reply)
    end.

%% e: these were encoded by Python. Encode what they mean, in one way or another.
answer($e, Batch, State) ->
    Again = [encode(binary_to_term(Term)) || Term <- terms(Batch)],
    {batch(Again), State};
%% p: pairs of an encoded term and the same written as Erlang source. Are they one and the same?
answer($p, Batch, State) ->
    {verdict(pairs(terms(Batch))), State};
%% u: pairs of an encoded charlist and the same text in UTF-8.
answer($u, Batch, State) ->
    {texts(terms(Batch)), State};
%% g: make this many random terms from this seed; they are kept for the comparison.
answer($g, <<Count:32, Seed:64>>, State) ->
    rand:seed(exsss, Seed),
    Terms = [term(rand:uniform(4) - 1) || _ <- lists:seq(1, Count)],
    {batch([encode(Term) || Term <- Terms]), State#{made => Terms}};
%% =: what Python made of the terms kept.
answer($=, Batch, #{made := Terms} = State) ->
    {same(Terms, terms(Batch), 1), State};
%% f: does the node itself take these bytes? One byte of answer each; what it takes is kept.
answer($f, Batch, State) ->
    Taken = [take(Bytes) || Bytes <- terms(Batch)],
    {<< <<(case T of {ok, _} -> $y; no -> $n end)>> || T <- Taken >>, State#{made => [T || {ok, T} <- Taken]}}.

take(Bytes) ->
    try binary_to_term(Bytes, [used]) of
        {Term, Used} when Used =:= byte_size(Bytes) -> {ok, Term};
        _ -> no
    catch error:_ -> no
    end.

terms(<<Length:32, Term:Length/binary, Rest/binary>>) -> [Term | terms(Rest)];
terms(<<>>) -> [].

batch(Terms) -> iolist_to_binary([[<<(byte_size(T)):32>>, T] || T <- Terms]).

same([], [], _) -> <<"same">>;
same([Term | Terms], [Encoded | Rest], N) ->
    Back = binary_to_term(Encoded),
    %% =:= takes 0.0 and -0.0 for one; their encodings tell them apart.
    case Back =:= Term andalso term_to_binary(Back) =:= term_to_binary(Term) of
        true -> same(Terms, Rest, N + 1);
        false -> io_lib:format("term ~b: ~tp came back as ~tp", [N, Term, Back])
    end.

verdict([]) -> <<"same">>;
verdict([{Encoded, Source} | Rest]) ->
    {ok, Tokens, _} = erl_scan:string(unicode:characters_to_list(Source) ++ "."),
    {ok, Expected} = erl_parse:parse_term(Tokens),
    case binary_to_term(Encoded) of
        Expected -> verdict(Rest);
        Other -> io_lib:format("~tp is not ~ts", [Other, Source])
    end.

texts([]) -> <<"same">>;
texts([Encoded, Text | Rest]) ->
    Charlist = binary_to_term(Encoded),
    case unicode:characters_to_binary(Charlist) of
        Text when is_list(Charlist) -> texts(Rest);
        Other -> io_lib:format("~tp is not ~tp", [Other, Text])
    end.

pairs([A, B | Rest]) -> [{A, B} | pairs(Rest)];
pairs([]) -> [].

encode(Term) ->
    case rand:uniform(8) of
        1 -> term_to_binary(Term, [{minor_version, 0}]);
        2 -> term_to_binary(Term, [{minor_version, 2}]);
        3 -> term_to_binary(Term, [compressed]);
        4 -> term_to_binary(Term, [{compressed, 9}, {minor_version, 1}]);
        _ -> term_to_binary(Term)
    end.

%% Random terms of every type, up to a depth.

term(0) -> leaf(rand:uniform(16));
term(Depth) ->
    case rand:uniform(10) of
        1 -> list_to_tuple(many(Depth, 6));
        2 -> list_to_tuple(many(Depth, 3));
        3 -> many(Depth, 6);
        4 -> maps:from_list([{term(Depth - 1), term(Depth - 1)} || _ <- lists:seq(1, rand:uniform(6) - 1)]);
        5 -> [term(Depth - 1) | many(Depth, 3)] ++ leaf(rand:uniform(11));
        6 -> list_to_tuple(lists:seq(1, rand:uniform(60) + 240 * (rand:uniform(10) div 10)));
        7 -> lists:duplicate(rand:uniform(20), integer(rand:uniform(4)));
        8 -> [float() || _ <- lists:seq(1, rand:uniform(20))];
        9 -> [integer(rand:uniform(3)) || _ <- lists:seq(1, rand:uniform(40))];
        10 -> #{1 => a, 1.0 => b, true => c, a => d, <<"a">> => e, "a" => f, term(Depth - 1) => g}
    end.

many(Depth, Most) -> [term(Depth - 1) || _ <- lists:seq(1, rand:uniform(Most) - 1)].

leaf(1) -> integer(1);
leaf(2) -> integer(2);
leaf(3) -> integer(3);
leaf(4) -> integer(4);
leaf(5) -> float();
leaf(6) -> atom();
leaf(7) -> lists:nth(rand:uniform(6), [true, false, undefined, none, nil, '']);
leaf(8) -> crypto_free_bytes(rand:uniform(40) - 1);
leaf(9) -> Bits = rand:uniform(70), <<(rand:uniform(1 bsl 64)):Bits>>;
leaf(10) -> special(rand:uniform(8));
leaf(11) -> rand:uniform(1000) + 0.5;
leaf(12) -> [];
leaf(13) -> [rand:uniform(256) - 1 || _ <- lists:seq(1, rand:uniform(30))];
leaf(14) -> [rand:uniform(16#D7FF) || _ <- lists:seq(1, rand:uniform(10))];
leaf(15) -> {};
leaf(16) -> #{}.

integer(1) -> rand:uniform(256) - 1;
integer(2) -> rand:uniform(1 bsl 33) - (1 bsl 32);
integer(3) -> lists:nth(rand:uniform(12), edges());
integer(4) -> sign() * rand:uniform(1 bsl (rand:uniform(2400) + 1)).

edges() ->
    [0, -1, 255, 256, 16#7FFFFFFF, 16#80000000, -16#80000000, -16#80000001,
     1 bsl 59, -(1 bsl 59) - 1, (1 bsl 64) - 1, 1 bsl 2040].

sign() -> 1 - 2 * (rand:uniform(2) - 1).

float() ->
    case <<(rand:uniform(1 bsl 64) - 1):64>> of
        <<Float/float>> -> Float;
        _ -> lists:nth(rand:uniform(4), [0.0, -0.0, 5.0e-324, 1.7976931348623157e308])
    end.

atom() ->
    Point = fun() -> lists:nth(rand:uniform(6), [$a, $z, $\s, 16#E9, 16#20AC, 16#1F600]) end,
    list_to_atom([Point() || _ <- lists:seq(1, rand:uniform(4) - 1)]).

crypto_free_bytes(Count) -> << <<(rand:uniform(256) - 1)>> || _ <- lists:seq(1, Count) >>.

special(1) -> self();
special(2) -> make_ref();
special(3) -> hd(erlang:ports());
special(4) -> fun lists:map/2;
special(5) -> Depth = rand:uniform(3), fun() -> Depth end;
special(6) -> A = atom(), B = {self(), make_ref()}, fun(X, Y) -> {A, B, X, Y} end;
special(7) -> group_leader();
special(8) -> fun(X) -> X end.
