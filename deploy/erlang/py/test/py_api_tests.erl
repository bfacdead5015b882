%% Every way to call, with the values that LFE py's README shows.
-module(py_api_tests).

-include_lib("eunit/include/eunit.hrl").

-export([
    functions_are_called/0,
    dotted_names_are_resolved/0,
    keyword_arguments_come_as_proplist_or_map/0,
    a_call_that_is_written_wrongly_says_what_is_wrong/0,
    constants_are_read_and_converted/0,
    objects_are_made/0,
    dates_are_values_with_methods_and_attributes/0,
    dates_take_part_in_operations/0,
    the_dict_family_travels_by_name/0,
    builtins_have_wrappers/0,
    ranges_stay_in_python_behind_handles/0,
    operators_have_wrappers/0,
    every_operator_of_python_is_there/0,
    in_place_operators_return_the_new_value/0,
    containers_are_changed_through_handles/0,
    attributes_are_set_and_deleted/0,
    handles_keep_identity/0,
    handles_stand_anywhere_in_arguments/0,
    a_callable_handle_is_called/0,
    released_handles_are_lost/0,
    objects_are_described/0,
    want_chooses_value_or_handle/0,
    strings_come_as_charlists_or_binaries/0,
    dicts_come_as_tuples_or_maps/0,
    bytes_are_told_from_text/0,
    unicode_survives_both_ways/0,
    pycall_passes_bytes/0,
    dashes_become_underscores/0,
    long_listings_are_elided/0,
    values_survive_the_way_there_and_back/0,
    errors_can_be_returned/0,
    the_bridge_tells_of_itself/0
]).

py_api_test_() ->
    {setup, fun py_test_server:start/0, fun py_test_server:stop/1, [
        {timeout, 120, fun ?MODULE:Name/0}
     || {Name, 0} <- ?MODULE:module_info(exports), not lists:member(Name, [module_info, test, py_api_test_])
    ]}.

functions_are_called() ->
    {ok, Here} = file:get_cwd(),
    ?assertEqual(Here, py:func(os, getcwd)),
    ?assertEqual(false, py:func('os.path', isfile, [<<"/tmp">>])),
    ?assertEqual(true, py:func('os.path', isdir, [<<"/tmp">>])),
    ?assertMatch({"datetime", {_, _, _, _, _, _, _, undefined}}, py:func('datetime.datetime', now)),
    ?assertEqual(65536.0, py:func(<<"math">>, <<"pow">>, [2, 16], [], #{})).

dotted_names_are_resolved() ->
    ?assertEqual(65536.0, py:func('math.pow', [2, 16])),
    ?assertEqual(42, py:func('builtins.int', [<<"101010">>], [{base, 2}])),
    ?assertEqual(42, py:func('builtins.int', [<<"101010">>], [{base, 2}], #{timeout => 60_000})),
    ?assertMatch({"datetime", _}, py:func('datetime.datetime.now')),
    ?assertMatch({"datetime", _}, py:func("datetime.datetime.now")),
    ?assertEqual(3.141592653589793, py:const('math.pi')),
    ?assertEqual({"UserDict", []}, py:init('collections.UserDict')).

keyword_arguments_come_as_proplist_or_map() ->
    ?assertEqual(42, py:func(builtins, int, [<<"101010">>], [{base, 2}])),
    ?assertEqual(42, py:func(builtins, int, [<<"101010">>], [{"base", 2}])),
    ?assertEqual(42, py:func(builtins, int, [<<"101010">>], [{<<"base">>, 2}])),
    ?assertEqual(42, py:func(builtins, int, [<<"101010">>], #{base => 2}, #{})),
    ?assertEqual(
        [{"flag", true}, {"undefined", 1}],
        py:func(py_fixture, keywords, [], [flag, {undefined, 1}])
    ),
    #{kind := bad_arguments, message := Message} =
        py_test_server:failure(fun() -> py:func(py_fixture, keywords, [], [17]) end),
    ?assertMatch({_, _}, binary:match(Message, <<"17">>)).

%% None of these may lose what was written: the tail of a list, or a name that became arguments.
a_call_that_is_written_wrongly_says_what_is_wrong() ->
    [
        begin
            #{kind := Kind, message := Message} = py_test_server:failure(Call),
            ?assertEqual(bad_arguments, Kind),
            ?assertMatch({_, _}, binary:match(Message, Told), Message)
        end
     || {Told, Call} <- [
            {<<"not [4|5]">>, fun() -> py:func(math, sqrt, [4 | 5]) end},
            {<<"not 4">>, fun() -> py:func(math, sqrt, 4) end},
            {<<"not [{base,2}|10]">>, fun() -> py:func(builtins, int, [<<"11">>], [{base, 2} | 10]) end},
            {<<"not [1|2]">>, fun() -> py:pmap(math, sqrt, [1 | 2]) end},
            {<<"not [1|2]">>, fun() -> py:reduce(operator, add, [1 | 2]) end},
            {<<"the name of a function is an atom or a binary">>, fun() -> py:func(math, "sqrt", [4]) end},
            {<<"'nope' is no type">>, fun() -> py:const(math, pi, nope) end},
            {<<"options are a map">>, fun() -> py:func(math, sqrt, [4], [], none) end}
        ]
    ].

constants_are_read_and_converted() ->
    ?assertEqual(3.141592653589793, py:const(math, pi)),
    ?assertEqual(3.141592653589793, py:const(math, pi, float)),
    ?assertEqual(3, py:const(math, pi, int)),
    ?assertEqual("3.141592653589793", py:const(math, pi, str)),
    ?assertEqual(<<"3.141592653589793">>, py:const(math, pi, str, #{strings => binary})),
    ?assertEqual(<<"/">>, py:const(os, sep, #{strings => binary})).

objects_are_made() ->
    ?assertEqual({"dict", []}, py:init(builtins, dict)),
    ?assertEqual({"UserDict", []}, py:init(collections, 'UserDict')),
    ?assertEqual({"UserDict", [{"a", 1}]}, py:init('collections.UserDict', [], [{"a", 1}])),
    ?assertEqual({"date", {1923, 4, 2}}, py:init(datetime, date, [1923, 4, 2])),
    Account = py:init(py_fixture, 'Account', [<<"Ada">>], [{balance, 5}]),
    ?assertMatch({py_handle, _, <<"py_fixture.Account">>}, Account),
    ?assertEqual("Ada", py:attr(Account, owner)),
    ?assertEqual(5, py:attr(Account, balance)).

dates_are_values_with_methods_and_attributes() ->
    Moment = {"datetime", {2014, 12, 23, 23, 14, 37, 677463, undefined}},
    ?assertEqual("2014.12.23 23:14:37", py:method(Moment, strftime, [<<"%Y.%m.%d %H:%M:%S">>])),
    ?assertEqual(2014, py:attr(Moment, year)),
    ?assertEqual(677463, py:attr(Moment, microsecond)),
    ?assertEqual({"date", {2014, 12, 23}}, py:method(Moment, date)),
    ?assertEqual({"date", {2015, 2, 3}}, py:method({"date", {2014, 2, 3}}, replace, [], [{year, 2015}])).

dates_take_part_in_operations() ->
    Earlier = {"datetime", {2014, 12, 23, 23, 14, 37, 677463, undefined}},
    Later = {"datetime", {2014, 12, 23, 23, 21, 25, 714474, undefined}},
    Difference = py:sub(Later, Earlier),
    ?assertEqual({"timedelta", {0, 408, 37011}}, Difference),
    ?assertEqual(408, py:attr(Difference, seconds)),
    ?assertEqual(Later, py:add(Earlier, Difference)),
    ?assertEqual(true, py:lt(Earlier, Later)).

the_dict_family_travels_by_name() ->
    ?assertEqual({"dict", []}, py:dict()),
    ?assertEqual({"dict", [{"a", 1}, {"b", 2}]}, py:dict([{"a", 1}, {"b", 2}])),
    ?assertEqual({"dict", [{1, 2}]}, py:dict([{1, 2}])),
    ?assertEqual(["a", "b"], py:pylist({"dict", [{"a", 1}, {"b", 2}]})),
    ?assertEqual({"OrderedDict", [{"b", 1}]}, py:init(collections, 'OrderedDict', [[{<<"b">>, 1}]])),
    ?assertEqual(1, py:getitem(#{<<"a">> => 1}, <<"a">>)).

builtins_have_wrappers() ->
    Table = [
        {42, py:int(<<"101010">>, [{base, 2}])},
        {42, py:int(<<"101010">>, 2)},
        {0, py:int()},
        {true, py:any([true, true, false])},
        {false, py:all([true, true, false])},
        {true, py:all([true, true, true])},
        {481229803398374426442198455156736, py:pow(6, 42)},
        {2, py:pow(6, 42, 7) * 2},
        {0.66667, py:round(0.666666667, 5)},
        {1, py:round(0.666666667)},
        {3, py:abs(-3)},
        {"'\\xe9'", py:ascii(<<"é"/utf8>>)},
        {"0b101", py:bin(5)},
        {false, py:bool()},
        {true, py:bool([0])},
        {<<"ab">>, py:bytes([97, 98])},
        {<<"ab">>, py:bytes(<<"ab">>, <<"utf-8">>)},
        {true, py:callable(py:func(operator, itemgetter, [1]))},
        {"A", py:chr(65)},
        {{3, 1}, py:divmod(10, 3)},
        {[{0, "a"}], py:pylist(py:enumerate([<<"a">>]))},
        {1.5, py:float(<<"1.5">>)},
        {"005", py:format(5, <<"03">>)},
        {2014, py:getattr({"date", {2014, 1, 1}}, <<"year">>)},
        {none, py:getattr({"date", {2014, 1, 1}}, <<"era">>, none)},
        {true, py:hasattr({"date", {2014, 1, 1}}, <<"year">>)},
        {"0x2a", py:hex(42)},
        {5, py:len([1, 2, 3, 4, 5])},
        {"0o10", py:oct(8)},
        {97, py:ord(<<"a">>)},
        {9, py:max([1, 9, 3])},
        {9, py:max(1, 9, 3)},
        {1, py:min(1, 9, 3, 4)},
        {1, py:next(py:iter([1, 2]))},
        {"[1, 2.5]", py:repr([1, 2.5])},
        {[3, 2, 1], py:pylist(py:reversed([1, 2, 3]))},
        {[1, 2, 3], py:sorted([3, 1, 2])},
        {[3, 2, 1], py:sorted([3, 1, 2], [{reverse, true}])},
        {"3.5", py:str(3.5)},
        {"ab", py:str({bytes, <<"ab">>}, [{encoding, ascii}])},
        {6, py:sum([1, 2, 3])},
        {16, py:sum([1, 2, 3], 10)},
        {{1, 2}, py:tuple([1, 2])},
        {[{1, "a"}], py:pylist(py:zip([1], [<<"a">>]))},
        {[], py:pylist()},
        {[1, 2, 3, 4], py:pylist([1, 2, 3, 4])},
        {true, py:isinstance(5, py:type(6))},
        {"int", py:attr(py:type(6), '__name__')}
    ],
    [?assertEqual(Expected, Value) || {Expected, Value} <- Table].

ranges_stay_in_python_behind_handles() ->
    Range = py:range(7, 42),
    ?assertMatch({py_handle, <<"bsc", _/binary>>, <<"range">>}, Range),
    ?assertEqual(35, py:len(Range)),
    ?assertEqual(lists:seq(7, 41), py:pylist(Range)),
    ?assertEqual(35, length(py:pylist(Range))).

operators_have_wrappers() ->
    Table = [
        {42, py:add(37, 5)},
        {42, py:mul(7, 6)},
        {42, py:sub(-108, -150)},
        {42.0, py:truediv(462, 11)},
        {42, py:floordiv(462, 11)},
        {2, py:mod(17, 5)},
        {-5, py:neg(5)},
        {5, py:pos(5)},
        {true, py:gt(7, 6)},
        {true, py:ge(7, 7)},
        {false, py:lt(7, 6)},
        {false, py:le(7, 6)},
        {true, py:eq(42, 42)},
        {false, py:ne(42, 42)},
        {12, py:'and-'(60, 13)},
        {12, py:and_(60, 13)},
        {61, py:'or-'(60, 13)},
        {61, py:or_(60, 13)},
        {49, py:'xor'(60, 13)},
        {-61, py:inv(60)},
        {-61, py:invert(60)},
        {15, py:rshift(60, 2)},
        {240, py:lshift(60, 2)},
        {true, py:'not-'(0)},
        {true, py:not_([])},
        {true, py:truth([0])},
        {true, py:'is-'(undefined, undefined)},
        {false, py:'is-not'(undefined, undefined)},
        {7, py:index(7)},
        {[1, 2, 3], py:concat([1], [2, 3])},
        {true, py:contains([1, 2], 2)},
        {2, py:countOf([1, 2, 1], 1)},
        {1, py:indexOf([1, 2, 1], 2)},
        {"b", py:getitem([<<"a">>, <<"b">>], 1)},
        {3, py:length_hint([1, 2, 3])},
        {8, py:operator(pow, [2, 3])},
        {2014, py:call(py:attrgetter(<<"year">>), [{"date", {2014, 1, 1}}])},
        {5, py:call(py:itemgetter(1), [[4, 5]])},
        {"A", py:call(py:methodcaller(<<"upper">>), [<<"a">>])},
        {"a.a", py:call(py:methodcaller(<<"replace">>, [<<"-">>, <<".">>]), [<<"a-a">>])}
    ],
    [?assertEqual(Expected, Value) || {Expected, Value} <- Table].

every_operator_of_python_is_there() ->
    Names = [list_to_atom(Name) || Name <- py:const(operator, '__all__')],
    ?assert(length(Names) > 50),
    Exported = [Name || {Name, _} <- py:module_info(exports)],
    ?assertEqual([], [Name || Name <- Names, not lists:member(Name, Exported)]).

in_place_operators_return_the_new_value() ->
    Table = [
        {5, py:iadd(2, 3)},
        {[1, 2], py:iadd([1], [2])},
        {2, py:iand(6, 3)},
        {[1, 2], py:iconcat([1], [2])},
        {2, py:ifloordiv(7, 3)},
        {8, py:ilshift(1, 3)},
        {1, py:imod(7, 3)},
        {6, py:imul(2, 3)},
        {7, py:ior(6, 3)},
        {8, py:ipow(2, 3)},
        {1, py:irshift(8, 3)},
        {-1, py:isub(2, 3)},
        {2.5, py:itruediv(5, 2)},
        {5, py:ixor(6, 3)}
    ],
    [?assertEqual(Expected, Value) || {Expected, Value} <- Table],
    List = py:builtin(list, [[1]], [], #{want => handle}),
    ?assertEqual([1, 2], py:iadd(List, [2])),
    ?assertEqual([1, 2], py:pylist(List)).

containers_are_changed_through_handles() ->
    Dict = py:builtin(dict, [], [], #{want => handle}),
    undefined = py:setitem(Dict, <<"a">>, 1),
    undefined = py:setitem(Dict, <<"b">>, 2),
    undefined = py:delitem(Dict, <<"a">>),
    ?assertEqual(2, py:getitem(Dict, <<"b">>)),
    ?assertEqual([{"b", 2}], py:pylist(py:method(Dict, items))),
    ?assertEqual(1, py:len(Dict)).

attributes_are_set_and_deleted() ->
    Account = py:init(py_fixture, 'Account'),
    undefined = py:setattr(Account, owner, <<"Grace">>),
    ?assertEqual("Grace", py:attr(Account, owner)),
    undefined = py:setattr(Account, color, <<"red">>),
    undefined = py:delattr(Account, color),
    #{kind := not_found, class := <<"AttributeError">>} =
        py_test_server:failure(fun() -> py:attr(Account, color) end).

handles_keep_identity() ->
    Account = py:init(py_fixture, 'Account'),
    ?assertEqual(10, py:method(Account, deposit, [10])),
    ?assertEqual(15, py:method(Account, deposit, [5])),
    ?assertEqual(15, py:attr(Account, balance)),
    Itself = py:method(Account, itself),
    ?assertMatch({py_handle, _, <<"py_fixture.Account">>}, Itself),
    ?assertEqual(true, py:is_(Account, Itself)),
    20 = py:method(Itself, deposit, [5]),
    ?assertEqual(20, py:attr(Account, balance)),
    ?assertEqual(false, py:is_(Account, py:init(py_fixture, 'Account'))).

handles_stand_anywhere_in_arguments() ->
    Account = py:init(py_fixture, 'Account'),
    ?assertEqual("Account", py:func(py_fixture, kind_of, [Account])),
    ?assertEqual(true, py:contains([1, Account], Account)),
    ?assertMatch(
        [{"account", {py_handle, _, <<"py_fixture.Account">>}}],
        py:func(py_fixture, keywords, [], [{account, Account}])
    ),
    [Back] = py:func(py_fixture, echo, [[Account]]),
    ?assertEqual(true, py:is_(Account, Back)).

a_callable_handle_is_called() ->
    Pow = py:attr(py:func(importlib, import_module, [math]), pow),
    ?assertEqual(65536.0, py:call(Pow, [2, 16])),
    Deposit = py:attr(py:init(py_fixture, 'Account'), deposit),
    ?assertEqual(3, py:call(Deposit, [], [{amount, 3}])),
    ?assertEqual(65536.0, py:call('math.pow', [2, 16])),
    ?assertEqual(65536.0, py:call('math:pow', [2, 16], #{timeout => 60_000})).

released_handles_are_lost() ->
    Account = py:init(py_fixture, 'Account'),
    Other = py:init(py_fixture, 'Account'),
    ok = py:release([Account, Other]),
    [
        ?assertMatch(#{kind := handle_lost}, py_test_server:failure(fun() -> py:attr(Handle, balance) end))
     || Handle <- [Account, Other, {py_handle, <<"bsc", (binary:copy(<<"0">>, 57))/binary>>, <<"guess">>}]
    ].

objects_are_described() ->
    ?assertMatch(
        #{type := <<"Account">>, module := <<"py_fixture">>, repr := <<"<py_fixture.Account", _/binary>>},
        py:describe(py:init(py_fixture, 'Account'))
    ),
    ?assertMatch(#{type := <<"range">>, repr := <<"range(0, 3)">>}, py:describe(py:range(3))),
    ?assertMatch({ok, #{type := <<"int">>}}, py:describe(5, #{on_error => return})).

want_chooses_value_or_handle() ->
    ?assertEqual([1], py:func(builtins, list, [[1]])),
    ?assertMatch({py_handle, _, <<"list">>}, py:func(builtins, list, [[1]], #{want => handle})),
    ?assertEqual([1], py:func(builtins, list, [[1]], #{want => value})),
    #{kind := not_encodable} = py_test_server:failure(fun() -> py:init(py_fixture, 'Account', #{want => value}) end).

strings_come_as_charlists_or_binaries() ->
    ?assertEqual("abc", py:func(py_fixture, echo, [<<"abc">>])),
    ?assertEqual(<<"abc">>, py:func(py_fixture, echo, [<<"abc">>], #{strings => binary})),
    ?assertEqual(<<"3.5">>, py:builtin(str, [3.5], [], #{strings => binary})).

dicts_come_as_tuples_or_maps() ->
    ?assertEqual({"dict", [{"a", 1}]}, py:func(py_fixture, echo, [#{<<"a">> => 1}])),
    ?assertEqual(#{"a" => 1}, py:func(py_fixture, echo, [#{<<"a">> => 1}], #{maps => true})),
    ?assertEqual(
        #{<<"a">> => #{<<"b">> => 1}},
        py:func(py_fixture, echo, [#{<<"a">> => {"dict", [{"b", 1}]}}], #{maps => true, strings => binary})
    ).

bytes_are_told_from_text() ->
    ?assertEqual("str", py:func(py_fixture, kind_of, [<<"abc">>])),
    ?assertEqual("bytes", py:func(py_fixture, kind_of, [{bytes, <<"abc">>}])),
    ?assertEqual("bytes", py:func(py_fixture, kind_of, [<<"abc">>], #{binaries => bytes})),
    ?assertEqual("list", py:func(py_fixture, kind_of, ["abc"])),
    ?assertEqual(<<0, 255>>, py:func(py_fixture, echo, [{bytes, <<0, 255>>}])),
    ?assertEqual([{"key", <<"v">>}], py:func(py_fixture, keywords, [], [{key, <<"v">>}], #{binaries => bytes})).

unicode_survives_both_ways() ->
    Text = <<"naïve žluťoučký 漢字 🐍"/utf8>>,
    ?assertEqual(unicode:characters_to_list(Text), py:func(py_fixture, echo, [Text])),
    ?assertEqual(Text, py:func(py_fixture, echo, [Text], #{strings => binary})),
    ?assertEqual(length(unicode:characters_to_list(Text)), py:len(Text)),
    ?assertEqual([{<<"größe"/utf8>>, 1}], py:func(py_fixture, keywords, [], [{'größe', 1}], #{strings => binary})).

pycall_passes_bytes() ->
    ?assertMatch({"datetime", _}, py:pycall(datetime, 'datetime.now')),
    ?assertEqual(
        {"datetime", {1923, 4, 2, 0, 0, 0, 0, undefined}}, py:pycall(datetime, datetime, [1923, 4, 2, 0, 0, 0])
    ),
    ?assertEqual("bytes", py:pycall(py_fixture, kind_of, [<<"abc">>])).

dashes_become_underscores() ->
    ?assertEqual("int", py:func('py-fixture', 'kind-of', [5])).


long_listings_are_elided() ->
    ?assertEqual(28, length(py:dir(5))),
    ?assert(length(py:pdir(5)) > 28),
    Account = py:init(py_fixture, 'Account'),
    ?assertMatch({"dict", [{"owner", "nobody"} | _]}, py:vars(Account)),
    ?assertEqual(py:vars(Account), py:pvars(Account)).

values_survive_the_way_there_and_back() ->
    Values = [
        0, -1, 255, 1 bsl 31, -(1 bsl 63), 1 bsl 64, 1 bsl 2000, 0.1, -1.0e300, true, false, undefined, an_atom, [], {},
        [1, [2, [3]]], {1, {2, 3}}, lists:seq(1, 1000), [0.5, 1.5], #{}, [an_atom, {}, 1.5],
        {"date", {1923, 4, 2}},
        {"time", {1, 2, 3, 4, undefined}},
        {"datetime", {2020, 2, 29, 23, 59, 59, 999999, undefined}},
        {"timedelta", {-1, 86399, 999999}},
        self(), make_ref(), <<3:2>>, [1 | 2], fun lists:map/2
    ],
    [?assertEqual(Value, py:func(py_fixture, echo, [Value], #{maps => true})) || Value <- Values].

errors_can_be_returned() ->
    Return = #{on_error => return},
    ?assertEqual({ok, 42}, py:add(37, 5, Return)),
    ?assertMatch({error, #{kind := python, class := <<"ZeroDivisionError">>}}, py:truediv(1, 0, Return)),
    ?assertMatch({error, #{class := <<"ValueError">>}}, py:func(builtins, int, [<<"x">>], Return)).

the_bridge_tells_of_itself() ->
    #{<<"pools">> := #{<<"default">> := Pool}, <<"workers">> := Workers} = py:status(),
    ?assert(is_map(Pool)),
    Pids = [Pid || #{<<"pid">> := Pid} <- Workers],
    ?assert(lists:member(py:func(os, getpid), Pids)),
    ?assertMatch({ok, #{<<"op">> := <<"status">>}}, py:status(#{on_error => return})).
