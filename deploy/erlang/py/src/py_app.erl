%% @doc Starts the application: reads its environment, then the supervisor.
-module(py_app).
-behaviour(application).

-export([start/2, stop/1]).

start(_Type, _Arguments) ->
    case py_config:read(default, application:get_all_env(py)) of
        {ok, Config} ->
            ok = set_log_level(Config),
            py_sup:start_link([Config]);
        {error, Reason} -> {error, {bad_configuration, unicode:characters_to_list(Reason)}}
    end.

set_log_level(#{log_level := Level}) -> logger:set_application_level(py, Level);
set_log_level(_) -> ok.

stop(_State) ->
    ok.
