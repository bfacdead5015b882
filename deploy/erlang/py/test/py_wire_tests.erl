%% Frames, byte for byte as docs/reference/wire.md has them.
-module(py_wire_tests).

-include_lib("eunit/include/eunit.hrl").

a_call_is_header_head_and_arguments_test() ->
    Frame = iolist_to_binary(py_wire:call(258, {1, 1000}, {1, 2, 3, <<"math:pow">>, <<>>}, [[2, 16]])),
    ?assertEqual(
        <<1, 3, 1, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 232, 3, 0, 0, 1, 2, 3, 0, 8, 0, 0, 0, "math:pow", 131, 108, 0,
            0, 0, 1, 107, 0, 2, 2, 16, 106>>,
        Frame
    ).

a_call_without_arguments_has_no_payload_after_its_head_test() ->
    Frame = iolist_to_binary(py_wire:call(1, {0, infinity}, {7, 0, 0, <<"math:pi">>, <<>>}, [[]])),
    ?assertEqual(<<1, 3, 0:16, 1:64/little, 0:64, 7, 0, 0:16, 7:16/little, 0:16, "math:pi">>, Frame).

large_binaries_are_not_copied_into_the_frame_test() ->
    Large = binary:copy(<<7>>, 1 bsl 20),
    Parts = lists:flatten(py_wire:call(1, {0, infinity}, {1, 0, 0, <<"f">>, <<>>}, [[Large]])),
    ?assert(lists:member(Large, Parts)).

frames_are_parsed_test() ->
    ?assertEqual({2, 3, 8, 258, <<"payload">>}, py_wire:parse(<<2, 3, 8, 0, 2, 1, 0:48, 0:64, "payload">>)),
    ?assertEqual({2, 3, 0, 1, <<>>}, py_wire:parse(<<2, 3, 0, 0, 1, 0:56, 0:64>>)),
    ?assertEqual(malformed, py_wire:parse(<<2, 3, 0, 0, 1, 0:56, 0:56>>)),
    ?assertEqual(malformed, py_wire:parse(<<>>)).

names_become_targets_test() ->
    ?assertEqual(<<"math:pow">>, py_wire:target(math, pow)),
    ?assertEqual(<<"os.path.isdir">>, py_wire:target('os.path', <<"isdir">>)),
    ?assertEqual(<<"my_mod:do_it">>, py_wire:target("my-mod", 'do-it')),
    ?assertEqual(<<"math.pow">>, py_wire:target('math.pow')).

keywords_have_text_keys_and_the_first_of_two_counts_test() ->
    ?assertEqual(
        #{a => 1, <<"b">> => 2, <<"c">> => 3, flag => true, <<"true">> => 4},
        py_wire:keywords([{a, 1}, {<<"b">>, 2}, {"c", 3}, flag, {true, 4}, {a, 5}])
    ),
    ?assertEqual(#{<<"größe"/utf8>> => 1}, py_wire:keywords(#{"größe" => 1})).
