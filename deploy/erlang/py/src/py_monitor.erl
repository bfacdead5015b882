%% @doc Be told when the object behind a handle is gone.
%%
%% `{py_down, Handle, Reason}' comes once for each monitor:
%% <ul>
%% <li>`released': the object was let go of.</li>
%% <li>`worker_lost': its worker died, or left after it was replaced.</li>
%% <li>`disconnected': its server was stopped or restarted, or its port program died.</li>
%% <li>`noconnection': its node went down, or the connection to it.</li>
%% <li>`noproc': there was no such object when the monitor was made. Then it comes at once.</li>
%% </ul>
%%
%% Two processes see to it: a waiter where the object is, which asks the bridge and ends when that answers; and, on this
%% node, one that watches the waiter and tells. Each ends with the other, so that nothing is left of a monitor that was
%% taken back, or whose owner died.
-module(py_monitor).

-export([monitor/1, demonitor/1]).
-export([wait/3]).

-export_type([ref/0]).

-include("py_server.hrl").

-opaque ref() :: {py_monitor, pid(), py:handle()}.

%% @doc Begin. What comes back is for {@link demonitor/1}.
-spec monitor(py:handle()) -> ref().
monitor({py_handle, Token, _} = Handle) when is_binary(Token) ->
    Owner = self(),
    {py_monitor, spawn(fun() -> tell(Owner, Handle) end), Handle};
monitor(Other) ->
    py_error:raise(bad_arguments, "only a handle can be monitored, not ~0tp", [Other]).

%% @doc End. The message is not there afterwards, even if it had come.
-spec demonitor(ref()) -> ok.
demonitor({py_monitor, Teller, Handle}) ->
    Monitor = erlang:monitor(process, Teller, [{alias, reply_demonitor}]),
    Teller ! {demonitor, Monitor},
    receive
        {Monitor, demonitored} ->
            ok;
        {'DOWN', Monitor, process, Teller, _} ->
            %% It has told, or this process is not the one that it tells.
            receive
                {py_down, Handle, _} -> ok
            after 0 -> ok
            end
    end.

tell(Owner, Handle) ->
    Monitor = erlang:monitor(process, Owner),
    {Waiter, Waiting} = waiter(Handle),
    receive
        {'DOWN', Waiting, process, Waiter, Reason} ->
            Owner ! {py_down, Handle, told(Reason)},
            ok;
        {demonitor, From} ->
            From ! {From, demonitored},
            ok;
        {'DOWN', Monitor, process, Owner, _} ->
            ok
    end.

%% On the node that has the object.
waiter({py_handle, Token, _} = Handle) ->
    case py_servers:for_call(#{}, {object, Handle}, {[], []}) of
        {ok, #server{name = Name}} -> spawn_monitor(?MODULE, wait, [self(), Token, Name]);
        {remote, Owner} -> spawn_monitor(node(Owner), ?MODULE, wait, [self(), Token, any]);
        {failed, _} -> spawn_monitor(erlang, exit, [{gone, noproc}])
    end.

%% @private
-spec wait(pid(), binary(), atom()) -> no_return().
wait(Teller, Token, any) ->
    case py_servers:for_call(#{}, {object, {py_handle, Token, <<>>}}, {[], []}) of
        {ok, #server{name = Name}} -> wait(Teller, Token, Name);
        _ -> exit({gone, noproc})
    end;
wait(Teller, Token, Name) ->
    Monitor = erlang:monitor(process, Teller),
    case py_call:question(#{<<"op">> => <<"watch">>, <<"token">> => Token}, #{server => Name, on_error => return}) of
        {ok, Pending} ->
            ok = hold_up_nobody(Pending),
            exit({gone, reason(Pending, Monitor)});
        {failed, _, _} -> exit({gone, disconnected})
    end.

reason(#pending{alias = Alias, choice = Choice} = Pending, Monitor) ->
    receive
        {Alias, Kind, Payload} -> why(py_answer:settle({Kind, Payload}, Choice));
        {'DOWN', Alias, process, _, Reason} -> why(py_answer:settle({down, Reason}, Choice));
        {'DOWN', Monitor, process, _, _} -> py_call:abandon(Pending)
    end.

%% A server that is to go waits for its calls; this is none.
hold_up_nobody(#pending{server = #server{calls = Calls}, id = Id}) ->
    try ets:update_element(Calls, Id, {3, monitor}) of
        _ -> ok
    catch
        error:badarg -> ok
    end.

why({ok, #{<<"reason">> := <<"released">>}}) -> released;
why({ok, #{<<"reason">> := <<"worker_lost">>}}) -> worker_lost;
why({ok, _}) -> noproc;
why({error, #{kind := Kind}}) -> Kind.

told({gone, Reason}) -> Reason;
told(Reason) -> Reason.
