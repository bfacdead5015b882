%% @doc The settings under the names that LFE py has for them: see {@link py_config}.
-module('py-config').

-export([get/1]).
-export(['get-log-level'/0, 'get-python-path'/0, 'get-erlport-max-restarts'/0, 'get-erlport-restart-threshold'/0]).
-export(['get-erlport-shutdown-timeout'/0, 'get-worker-count'/0, 'get-worker-on-start'/0, 'get-scheduler-mod'/0]).
-export(['get-scheduler-func'/0]).

%% @doc One setting, by the name here or there.
get('scheduler-mod') -> 'get-scheduler-mod'();
get('scheduler-func') -> 'get-scheduler-func'();
get(Key) -> py_config:get(Key).

'get-log-level'() -> py_config:get(log_level).
'get-python-path'() -> py_config:get(path).
'get-erlport-max-restarts'() -> py_config:get(max_restarts).
'get-erlport-restart-threshold'() -> py_config:get(restart_period).
'get-erlport-shutdown-timeout'() -> py_config:get(shutdown_timeout).
'get-worker-count'() -> py_config:get(workers).
'get-worker-on-start'() -> py_config:get(worker_on_start).

'get-scheduler-mod'() ->
    case py_config:get(scheduler) of
        {Module, _} -> Module;
        Name when is_atom(Name) -> py_sched;
        Fun -> Fun
    end.

'get-scheduler-func'() ->
    case py_config:get(scheduler) of
        {_, Function} -> Function;
        Other -> Other
    end.
