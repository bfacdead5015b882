%% What the README of LFE py shows: the same expressions with the same values, the LFE ones as the Erlang calls that they
%% are. What can't be the same is a deviation: it says why, and its value is judged by its shape.
-module(py_readme_tests).

-include_lib("eunit/include/eunit.hrl").

%% An expression, and the value that it has there as well as here.
-define(SAME(Shown, Call, Value), {Shown, fun() -> ?assertEqual(Value, Call) end}).
%% An expression whose value differs, why, and what is true of it here.
-define(DEVIATES(Shown, Call, Why, Shape), {Shown ++ " (" ++ Why ++ ")", fun() -> ?assertMatch(Shape, Call) end}).

-define(CLOCK, "a clock").
-define(DATETIME, {"datetime", {_, _, _, _, _, _, _, undefined}}).

py_readme_test_() ->
    {setup, fun py_test_server:start/0, fun py_test_server:stop/1, fun(_) ->
        [
            {Chapter ++ ": " ++ Shown, {timeout, 120, Check}}
         || {Chapter, Expressions} <- [
                {"LFE, metadata", lfe_metadata()},
                {"LFE, module level", lfe_module_level()},
                {"LFE, objects", lfe_objects()},
                {"LFE, dotted names", lfe_dotted_names()},
                {"LFE, pass-through", lfe_pass_through()},
                {"LFE, builtins", lfe_builtins()},
                {"LFE, operators", lfe_operators()},
                {"LFE, additions", lfe_additions()},
                {"Erlang", erlang_shell()}
            ],
            {Shown, Check} <- Expressions
        ]
    end}.

now_there() -> py:func('datetime.datetime', now).

%% A moment of which the parts are known, where the README goes on with the clock's.
moment() -> {"datetime", {2014, 12, 23, 23, 14, 37, 677463, undefined}}.
later() -> {"datetime", {2014, 12, 23, 23, 21, 25, 714474, undefined}}.

lfe_metadata() ->
    [
        ?DEVIATES("(py-util:get-versions)", 'py-util':'get-versions'(), "bascule stands for erlport, lfe where it is",
            [{erlang, _}, {emulator, _}, {'driver-version', _} | _]),
        {"the keys of (py-util:get-versions)", fun() ->
            Keys = [Key || {Key, _} <- 'py-util':'get-versions'(), Key =/= lfe],
            ?assertEqual([erlang, emulator, 'driver-version', bascule, py, python], Keys)
        end},
        {"python is a list of two strings", fun() ->
            [Version, "[" ++ _] = proplists:get_value(python, 'py-util':'get-versions'()),
            ?assert(io_lib:printable_list(Version))
        end}
    ].

lfe_module_level() ->
    [
        {"(py:func 'os 'getcwd) (the folder is this one's)", fun() ->
            {ok, Folder} = file:get_cwd(),
            ?assertEqual(Folder, py:func(os, getcwd))
        end},
        ?DEVIATES("(py:func 'datetime.datetime 'now)", py:func('datetime.datetime', now), ?CLOCK, ?DATETIME),
        ?SAME("(py:func 'os.path 'isfile '(#b(\"/tmp\")))", py:func('os.path', isfile, [<<"/tmp">>]), false),
        ?SAME("(py:func 'os.path 'isdir '(#b(\"/tmp\")))", py:func('os.path', isdir, [<<"/tmp">>]), true),
        ?SAME("(py:func 'builtins 'int '(#b(\"101010\")) '(#(base 2)))",
            py:func(builtins, int, [<<"101010">>], [{base, 2}]), 42),
        ?SAME("(py:const 'math 'pi)", py:const(math, pi), 3.141592653589793),
        ?SAME("(py:const 'math 'pi 'float)", py:const(math, pi, float), 3.141592653589793),
        ?SAME("(py:const 'math 'pi 'int)", py:const(math, pi, int), 3),
        ?SAME("(py:const 'math 'pi 'str)", py:const(math, pi, str), "3.141592653589793")
    ].

lfe_objects() ->
    [
        ?SAME("(py:init 'builtins 'dict)", py:init(builtins, dict), {"dict", []}),
        ?SAME("(py:init 'collections 'UserDict)", py:init(collections, 'UserDict'), {"UserDict", []}),
        ?DEVIATES("(py:init 'datetime 'date '(1923 4 2))", py:init(datetime, date, [1923, 4, 2]),
            "the README prints the day before", {"date", {1923, 4, 2}}),
        ?DEVIATES("(set now (py:func 'datetime.datetime 'now))", now_there(), ?CLOCK, ?DATETIME),
        ?SAME("(py:method now 'strftime '(#b(\"%Y.%m.%d %H:%M:%S\")))",
            py:method(moment(), strftime, [<<"%Y.%m.%d %H:%M:%S">>]), "2014.12.23 23:14:37"),
        ?SAME("(py:attr now 'year)", py:attr(moment(), year), 2014),
        ?SAME("(py:attr now 'microsecond)", py:attr(moment(), microsecond), 677463),
        ?DEVIATES("(set later (py:func 'datetime.datetime 'now))", now_there(), ?CLOCK, ?DATETIME),
        ?SAME("(set earlier now)", moment(), {"datetime", {2014, 12, 23, 23, 14, 37, 677463, undefined}}),
        ?DEVIATES("(set diff (py:sub later earlier))", py:sub(later(), moment()),
            "printed there without its inner tuple, which its Erlang transcript has", {"timedelta", {0, 408, 37011}}),
        ?SAME("(py:attr diff 'seconds)", py:attr(py:sub(later(), moment()), seconds), 408),
        ?SAME("(/ (py:attr diff 'seconds) 60)", py:attr(py:sub(later(), moment()), seconds) / 60, 6.8)
    ].

lfe_dotted_names() ->
    [
        ?SAME("(py:const 'math.pi)", py:const('math.pi'), 3.141592653589793),
        ?DEVIATES("(py:func 'datetime.datetime.now)", py:func('datetime.datetime.now'), ?CLOCK, ?DATETIME),
        ?SAME("(py:func 'math.pow '(2 16))", py:func('math.pow', [2, 16]), 65536.0),
        ?SAME("(py:func 'builtins.int '(#b(\"101010\")) '(#(base 2)))",
            py:func('builtins.int', [<<"101010">>], [{base, 2}]), 42),
        ?SAME("(py:init 'collections.UserDict)", py:init('collections.UserDict'), {"UserDict", []}),
        ?DEVIATES("(py:init 'collections.UserDict '() '(#(\"a\" 1) #(\"b\" 2)))",
            py:init('collections.UserDict', [], [{"a", 1}, {"b", 2}]),
            "today's dicts keep their order", {"UserDict", [{"a", 1}, {"b", 2}]})
    ].

lfe_pass_through() ->
    [
        ?DEVIATES("(py:pycall 'datetime 'datetime.now)", py:pycall(datetime, 'datetime.now'),
            ?CLOCK ++ ", and printed there as a list", ?DATETIME),
        ?SAME("(py:pycall 'datetime 'datetime '(1923 4 2 0 0 0))",
            py:pycall(datetime, datetime, [1923, 4, 2, 0, 0, 0]), {"datetime", {1923, 4, 2, 0, 0, 0, 0, undefined}})
    ].

%% The same in LFE and in Erlang.
builtins() ->
    [
        ?SAME("py:dict()", py:dict(), {"dict", []}),
        ?DEVIATES("py:dict([{\"a\", 1}, {\"b\", 2}])", py:dict([{"a", 1}, {"b", 2}]),
            "today's dicts keep their order", {"dict", [{"a", 1}, {"b", 2}]}),
        ?SAME("py:int(<<\"101010\">>, [{base, 2}])", py:int(<<"101010">>, [{base, 2}]), 42),
        ?SAME("py:any([true, true, false, false, false, true])",
            py:any([true, true, false, false, false, true]), true),
        ?SAME("py:all([true, true, false, false, false, true])",
            py:all([true, true, false, false, false, true]), false),
        ?SAME("py:all([true, true, true])", py:all([true, true, true]), true),
        ?SAME("py:pow(6, 42)", py:pow(6, 42), 481229803398374426442198455156736),
        ?SAME("py:round(0.666666667, 5)", py:round(0.666666667, 5), 0.66667),
        ?DEVIATES("py:range(7, 42)", py:range(7, 42), "a handle, where an opaque pickle was", {py_handle, _, <<"range">>}),
        ?SAME("py:len(py:range(7, 42))", py:len(py:range(7, 42)), 35),
        ?SAME("py:pylist(py:range(7, 42))", py:pylist(py:range(7, 42)), lists:seq(7, 41)),
        ?SAME("length(py:pylist(py:range(7, 42)))", length(py:pylist(py:range(7, 42))), 35)
    ].

lfe_builtins() ->
    [
        ?SAME("(py:init 'builtins 'dict)", py:init(builtins, dict), {"dict", []}),
        ?SAME("(py:func 'builtins 'int '(#b(\"101010\")) '(#(base 2)))",
            py:func(builtins, int, [<<"101010">>], [{base, 2}]), 42)
        | builtins()
    ].

%% The same in LFE and in Erlang.
operators() ->
    [
        ?SAME("py:add(37, 5)", py:add(37, 5), 42),
        ?SAME("py:mul(7, 6)", py:mul(7, 6), 42),
        ?SAME("py:sub(-108, -150)", py:sub(-108, -150), 42),
        ?SAME("py:truediv(462, 11)", py:truediv(462, 11), 42.0),
        ?SAME("py:floordiv(462, 11)", py:floordiv(462, 11), 42),
        ?SAME("py:gt(7, 6)", py:gt(7, 6), true),
        ?SAME("py:le(7, 6)", py:le(7, 6), false),
        ?SAME("py:eq(42, 42)", py:eq(42, 42), true),
        ?SAME("py:'and-'(60, 13)", py:'and-'(60, 13), 12),
        ?SAME("py:'or-'(60, 13)", py:'or-'(60, 13), 61),
        ?SAME("py:'xor'(60, 13)", py:'xor'(60, 13), 49),
        ?SAME("py:inv(60)", py:inv(60), -61),
        ?SAME("py:rshift(60, 2)", py:rshift(60, 2), 15),
        ?SAME("py:lshift(60, 2)", py:lshift(60, 2), 240)
    ].

lfe_operators() -> operators().

%% The same in LFE and in Erlang.
lists() ->
    [
        ?SAME("py:pylist()", py:pylist(), []),
        ?SAME("py:pylist([1, 2, 3, 4])", py:pylist([1, 2, 3, 4]), [1, 2, 3, 4])
    ].

lfe_additions() ->
    lists() ++
        [
            {"(py:dir ...) and (py:vars ...) show 28 entries, (py:pdir) and (py:pvars) all", fun() ->
                All = py:pdir(<<"text">>),
                ?assert(length(All) > 28),
                ?assertEqual(lists:sublist(All, 28), py:dir(<<"text">>)),
                Module = py:func(importlib, import_module, [string]),
                {_, Vars} = py:vars(py:init(types, 'SimpleNamespace', [], [{"a", 1}])),
                ?assertEqual([{"a", 1}], Vars),
                ?assertMatch({py_handle, _, <<"module">>}, Module)
            end},
            ?SAME("(py:repr ...)", py:repr([1, 2]), "[1, 2]"),
            ?DEVIATES("(py:prepr ...)", py:prepr(py:range(3)), "shows the handle, where a pickle was", "{py_handle," ++ _)
        ].

erlang_shell() ->
    [
        ?DEVIATES("'py-util':'get-versions'()", 'py-util':'get-versions'(), "py is called py, as it is in the LFE chapter",
            [{erlang, _}, {emulator, _}, {'driver-version', _} | _]),
        {"py:func(os, getcwd) (the folder is this one's)", fun() ->
            {ok, Folder} = file:get_cwd(),
            ?assertEqual(Folder, py:func(os, getcwd))
        end},
        ?DEVIATES("py:func('datetime.datetime', now)", now_there(), ?CLOCK, ?DATETIME),
        ?SAME("py:func('os.path', isfile, [<<\"/tmp\">>])", py:func('os.path', isfile, [<<"/tmp">>]), false),
        ?SAME("py:func('os.path', isdir, [<<\"/tmp\">>])", py:func('os.path', isdir, [<<"/tmp">>]), true),
        ?SAME("py:func(builtins, int, [<<\"101010\">>], [{base, 2}])",
            py:func(builtins, int, [<<"101010">>], [{base, 2}]), 42),
        ?SAME("py:const(math, pi)", py:const(math, pi), 3.141592653589793),
        ?SAME("py:const(math, pi, float)", py:const(math, pi, float), 3.141592653589793),
        ?SAME("py:const(math, pi, int)", py:const(math, pi, int), 3),
        ?SAME("py:const(math, pi, str)", py:const(math, pi, str), "3.141592653589793"),
        ?SAME("py:init(builtins, dict)", py:init(builtins, dict), {"dict", []}),
        ?SAME("py:init(collections, 'UserDict')", py:init(collections, 'UserDict'), {"UserDict", []}),
        ?SAME("py:init(datetime, date, [1923, 4, 2])", py:init(datetime, date, [1923, 4, 2]), {"date", {1923, 4, 2}}),
        ?DEVIATES("Now = py:func('datetime.datetime', now)", now_there(), ?CLOCK, ?DATETIME),
        ?SAME("py:method(Now, strftime, [<<\"%Y.%m.d %H:%M:%S\">>])",
            py:method(moment(), strftime, [<<"%Y.%m.d %H:%M:%S">>]), "2014.12.d 23:14:37"),
        ?SAME("py:attr(Now, year)", py:attr(moment(), year), 2014),
        ?SAME("py:attr(Now, microsecond)", py:attr(moment(), microsecond), 677463),
        ?DEVIATES("Later = py:func('datetime.datetime', now)", now_there(), ?CLOCK, ?DATETIME),
        ?SAME("Earlier = Now", moment(), {"datetime", {2014, 12, 23, 23, 14, 37, 677463, undefined}}),
        ?SAME("Diff = py:sub(Later, Earlier)", py:sub(later(), moment()), {"timedelta", {0, 408, 37011}}),
        ?SAME("py:attr(Diff, seconds)", py:attr(py:sub(later(), moment()), seconds), 408),
        ?SAME("py:attr(Diff, seconds) / 60", py:attr(py:sub(later(), moment()), seconds) / 60, 6.8),
        ?DEVIATES("py:pycall(datetime, 'datetime.now')", py:pycall(datetime, 'datetime.now'), ?CLOCK, ?DATETIME),
        ?SAME("py:pycall(datetime, datetime, [1923, 4, 2, 0, 0, 0])",
            py:pycall(datetime, datetime, [1923, 4, 2, 0, 0, 0]), {"datetime", {1923, 4, 2, 0, 0, 0, 0, undefined}})
    ] ++ builtins() ++ operators() ++ lists().
