%% @doc The application as LFE names it: see {@link py_app}.
-module('py-app').

-export([start/0, start/2, stop/0, stop/1]).

start() -> py:start().

start(Type, Arguments) -> py_app:start(Type, Arguments).

stop() -> py:stop().

stop(State) -> py_app:stop(State).
