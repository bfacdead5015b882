%% @doc The servers, and the table in which callers find them.
%%
%% The table belongs to this supervisor, which outlives every port program. A server that could not be kept alive within
%% its own intensity is not tried again here: the application ends, loudly.
-module(py_sup).
-behaviour(supervisor).

-export([start_link/1, child/1]).
-export([init/1]).

-include("py_server.hrl").

-spec start_link([py_config:config()]) -> supervisor:startlink_ret().
start_link(Configs) ->
    supervisor:start_link({local, ?MODULE}, ?MODULE, Configs).

init([#{scheduler := Scheduler} | _] = Configs) ->
    py_servers = ets:new(py_servers, [named_table, public, {keypos, #server.name}, {read_concurrency, true}]),
    ok = py_servers:set_group([Name || #{name := Name} <- Configs], Scheduler),
    %% The names of handles' owners, for the other nodes.
    Groups = #{id => groups, start => {pg, start_link, [py]}},
    {ok, {#{strategy => one_for_one, intensity => 0, period => 1}, [Groups | [child(Config) || Config <- Configs]]}}.

%% @doc The child spec of a server.
-spec child(py_config:config()) -> supervisor:child_spec().
child(#{name := Name} = Config) ->
    #{id => Name, start => {py_server_sup, start_link, [Config]}, type => supervisor}.
