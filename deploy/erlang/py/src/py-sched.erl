%% @doc The schedulers as LFE names them: each gives the pid of a server. See {@link py_sched}.
-module('py-sched').

-export(['get-next-pid'/0, 'get-first'/0, first/0, random/0, 'least-reductions'/0, 'least-messages-in'/0]).
-export([youngest/0, oldest/0]).

'get-next-pid'() -> py_sched:next_pid().
'get-first'() -> first().
first() -> py_sched:first(py_sched:pids()).
random() -> py_sched:random(py_sched:pids()).
'least-reductions'() -> py_sched:least_reductions(py_sched:pids()).
'least-messages-in'() -> py_sched:least_messages_in(py_sched:pids()).
youngest() -> py_sched:youngest(py_sched:pids()).
oldest() -> py_sched:oldest(py_sched:pids()).
