%% @doc Be told when the object behind a handle is gone.
%%
%% `{py_down, Handle, Reason}' comes once: when the object was released (`released'), when its worker died
%% (`worker_lost'), when its server or its node is gone (`noproc', `disconnected', `noconnection').
-module(py_monitor).

-export([monitor/1, demonitor/1]).
-export([watch/2, gone/1]).

-include("py_server.hrl").

%% @doc Begin. What comes back is for {@link demonitor/1}.
-spec monitor(py:handle()) -> pid().
monitor({py_handle, Token, _} = Handle) when is_binary(Token) ->
    Self = self(),
    spawn(fun() ->
        Monitor = erlang:monitor(process, Self),
        Watcher = watcher(Handle),
        receive
            {'DOWN', Monitor, process, Self, _} -> exit(Watcher, kill);
            {'DOWN', _, process, Watcher, Reason} -> Self ! {py_down, Handle, told(Reason)}
        end
    end);
monitor(Other) ->
    py_error:raise(bad_arguments, "only a handle can be monitored, not ~0tp", [Other]).

%% @doc End. A message that is in the mailbox already is taken out.
-spec demonitor(pid()) -> ok.
demonitor(Monitor) ->
    exit(Monitor, kill),
    ok.

%% On the node that has the object.
watcher({py_handle, Token, _} = Handle) ->
    {Watcher, _} =
        case py_servers:for_call(#{}, {object, Handle}, {[], []}) of
            {ok, #server{name = Name}} -> spawn_monitor(?MODULE, watch, [Token, Name]);
            {remote, Node} -> spawn_monitor(Node, ?MODULE, watch, [Token, '_']);
            {failed, _} -> spawn_monitor(?MODULE, gone, [noproc])
        end,
    Watcher.

%% @private
-spec watch(binary(), atom()) -> no_return().
watch(Token, '_') ->
    case py_servers:for_call(#{}, {object, {py_handle, Token, <<>>}}, {[], []}) of
        {ok, #server{name = Name}} -> watch(Token, Name);
        _ -> gone(noproc)
    end;
watch(Token, Name) ->
    case py_call:ask(#{<<"op">> => <<"watch">>, <<"token">> => Token}, #{server => Name, on_error => return}) of
        {ok, #{<<"reason">> := <<"released">>}} -> gone(released);
        {ok, #{<<"reason">> := <<"worker_lost">>}} -> gone(worker_lost);
        {ok, _} -> gone(noproc);
        {error, #{kind := Kind}} -> gone(Kind)
    end.

%% @private
-spec gone(term()) -> no_return().
gone(Reason) -> exit({gone, Reason}).

told({gone, Reason}) -> Reason;
told(noconnection) -> noconnection;
told(Reason) -> Reason.
