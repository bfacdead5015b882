%% @doc Starts the application: reads its environment, then the supervisor.
-module(py_app).
-behaviour(application).

-export([start/2, stop/1]).

start(_Type, _Arguments) ->
    case py_config:read(default, application:get_all_env(py)) of
        {ok, Config} -> py_sup:start_link([Config]);
        {error, Reason} -> {error, {bad_configuration, unicode:characters_to_list(Reason)}}
    end.

stop(_State) ->
    ok.
