%% What a call may choose: py_options checks it and fills it in.
-record(choice, {
    timeout = infinity :: pos_integer() | infinity,
    style = 0 :: non_neg_integer(),
    want = 0 :: 0..2,
    flags = 0 :: non_neg_integer(),
    worker = any :: any | 0..65535,
    traceparent = none :: none | binary(),
    on_error = raise :: raise | return,
    output = caller :: caller | logger | discard
}).

%% What a caller must know of a server, to write to its port by itself: one row of the table py_servers.
%% `port` is undefined while the port program starts.
-record(server, {
    name :: atom(),
    owner :: pid(),
    port :: port() | undefined,
    %% {Id, Address, Caller} of each call that has no answer yet
    calls :: ets:tid() | undefined,
    watcher :: pid(),
    %% {Caller} of each process whose death the watcher will see
    watched :: ets:tid(),
    %% bytes that a frame may have: the port's packet size, or the bridge's own limit
    max_frame :: pos_integer(),
    %% how long a call waits for a port program that is being restarted
    patience :: pos_integer(),
    %% what the tokens of its handles begin with
    prefix = <<>> :: binary(),
    %% when its port program last said hello
    started_at = 0 :: integer(),
    defaults :: #choice{}
}).

%% A call that is under way, in its caller's hands.
-record(pending, {
    server :: #server{},
    choice :: #choice{},
    id :: pos_integer(),
    alias :: py_inbox:address(),
    until :: integer() | infinity,
    %% who makes the call, if that is done on another node: see py_remote
    relay :: pid() | undefined
}).

%% The server's watcher, in the same table: it lives on when the port's owner dies.
-record(watcher, {key :: {watcher, atom()}, pid :: pid(), watched :: ets:tid()}).

%% The servers that take calls which name none, in the same table, and who chooses among them.
-record(group, {key = group :: group, names :: [atom()], scheduler :: py_sched:scheduler()}).

%% In the dictionary of a process that answers a callback: {Server, its owner, number of the callback}.
-define(NESTED_IN, '$py_callback').
%% In that of a relay: the process on another node whose call it makes.
-define(CALLER, '$py_calls_for').
