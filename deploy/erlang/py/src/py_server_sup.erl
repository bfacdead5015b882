%% @doc One server: who answers its callbacks, the watcher of its callers, and the owner of its port.
%%
%% The owner dies with its port program and is started again within the configured intensity; beyond that this
%% supervisor gives up, and with it the application. Should the watcher die, the owner starts anew too, since a caller
%% that nobody watches would leave its calls running.
-module(py_server_sup).
-behaviour(supervisor).

-export([start_link/1]).
-export([init/1]).

-spec start_link(py_config:config()) -> supervisor:startlink_ret().
start_link(Config) ->
    supervisor:start_link(?MODULE, Config).

init(#{name := Name, max_restarts := Intensity, restart_period := Period, shutdown_timeout := Shutdown} = Config) ->
    Strategy = #{strategy => rest_for_one, intensity => Intensity, period => Period},
    Callbacks = #{id => callbacks, start => {py_callback, start_link, [Name, maps:get(callbacks, Config)]}},
    Watcher = #{id => watcher, start => {py_watcher, start_link, [Name]}},
    %% The owner takes its time to see the port program out, and then a little to close the port.
    Port = #{id => port, start => {py_port, start_link, [Config]}, shutdown => Shutdown + 1000},
    {ok, {Strategy, [Callbacks, Watcher, Port]}}.
