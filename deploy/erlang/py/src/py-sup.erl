%% @doc What LFE py tells of its supervisor and its servers.
%%
%% A child is a server: a port program with its Python workers. Its pid is that of the Erlang process that reads the port.
-module('py-sup').

-export([start_link/0, 'add-server'/1, 'add-server'/2, 'remove-server'/1]).
-export(['get-status'/0, 'get-state'/0, 'get-children'/0, 'get-child-pids'/0]).
-export(['get-stats'/0, 'get-child-stats'/0, 'get-child-stats'/1]).
-export(['get-child-reductions'/1, 'get-child-messages-in'/1, 'get-child-start-time'/1]).

-include("py_server.hrl").

%% @doc As {@link py_sup:start_link/1}, with the application's settings.
start_link() ->
    case py_config:read(default, application:get_all_env(py)) of
        {ok, Config} -> py_sup:start_link([Config]);
        {error, Reason} -> {error, {bad_configuration, unicode:characters_to_list(Reason)}}
    end.

'add-server'(Name) -> py_fleet:add(Name).
'add-server'(Name, Settings) -> py_fleet:add(Name, Settings).
'remove-server'(Name) -> py_fleet:remove(Name).

%% @doc As {@link sys:get_status/1}.
'get-status'() -> sys:get_status(py_sup).

%% @doc As {@link sys:get_state/1}.
'get-state'() -> sys:get_state(py_sup).

%% @doc `{Name, Pid, worker, [py_port]}' of each server, in the order in which they came.
'get-children'() ->
    [{Name, Owner, worker, [py_port]} || Name <- py_servers:names(), #server{owner = Owner} <- ets:lookup(py_servers, Name)].

'get-child-pids'() -> py_sched:pids().

%% @doc As {@link supervisor:count_children/1}.
'get-stats'() -> supervisor:count_children(py_sup).

'get-child-stats'() -> ['get-child-stats'(Pid) || Pid <- 'get-child-pids'()].

'get-child-stats'(Pid) ->
    [
        {pid, Pid},
        {reductions, 'get-child-reductions'(Pid)},
        {'messages-in', 'get-child-messages-in'(Pid)},
        {'start-time', 'get-child-start-time'(Pid)}
    ].

'get-child-reductions'(Pid) -> info(reductions, Pid).

%% @doc Answers that it has not passed on yet.
'get-child-messages-in'(Pid) -> info(message_queue_len, Pid).

%% @doc When its port program said hello, as {@link erlang:system_time/0} counts.
'get-child-start-time'(Pid) ->
    [Started + erlang:time_offset() || #server{owner = Owner, started_at = Started} <- py_servers:rows(), Owner =:= Pid].

info(What, Pid) ->
    case process_info(Pid, What) of
        {What, Value} -> Value;
        undefined -> undefined
    end.
