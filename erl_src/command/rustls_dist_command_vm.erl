%% Another VM, with flags of its own: distribution takes its options from the flags that a VM was started with.
%%
%% What it is to do comes to it over its standard input, and not with its flags, which everybody on the machine can see; its
%% answer is the last line that it prints.
%%
%% @private
-module(rustls_dist_command_vm).

-export([run/4]).
-export([task/0, answer/1]).

-define(ANSWER, "rustls-dist answers: ").

%% Ending takes a moment; who does not end is ended.
-define(GRACE_MS, 2000).
-define(MAX_BYTES, (64 bsl 20)).

%% Runs Module:main/0 in a VM with these flags, within TimeoutMs. Task: for task/0. Gives what answer/1 was given, and what was
%% printed before; or what was printed, where there is no answer.
-spec run([rustls_dist_command_arguments:word()], module(), term(), pos_integer()) ->
          {ok, term(), Printed :: binary()} | {error, Printed :: binary() | timeout}.
run(Flags, Module, Task, TimeoutMs) ->
    Arguments = ["-noshell"] ++ boot() ++ ["-pa", filename:dirname(code:which(?MODULE))] ++ Flags
        ++ ["-run", atom_to_list(Module), "main"],
    Port = open_port({spawn_executable, filename:join(os:getenv("BINDIR"), "erlexec")},
                     [{args, Arguments}, binary, exit_status, stderr_to_stdout]),
    true = port_command(Port, [base64:encode(term_to_binary(Task)), "\n"]),
    collect(Port, <<>>, rustls_dist_deadline:in(TimeoutMs + ?GRACE_MS)).

%% The same system files as this VM's own.
boot() ->
    [Word || Flag <- [boot, boot_var], {ok, Given} <- [init:get_argument(Flag)], Words <- Given,
             Word <- [[$- | atom_to_list(Flag)] | Words]].

collect(Port, Printed, Deadline) ->
    receive
        {Port, {data, Data}} when byte_size(Printed) < ?MAX_BYTES -> collect(Port, <<Printed/binary, Data/binary>>, Deadline);
        {Port, {exit_status, _}} -> answered(Printed)
    after rustls_dist_deadline:left_ms(Deadline) ->
        _ = [os:cmd("kill -9 " ++ integer_to_list(Pid)) || {os_pid, Pid} <- [erlang:port_info(Port, os_pid)]],
        {error, timeout}
    end.

answered(Printed) ->
    case binary:split(Printed, <<"\n", ?ANSWER>>) of
        [Before, Answer] -> {ok, binary_to_term(base64:decode(string:trim(Answer))), Before};
        [_] -> {error, Printed}
    end.

%% In the other VM: what it is to do. Ends it where nobody says so any more.
-spec task() -> term().
task() ->
    case io:get_line("") of
        Line when is_list(Line) -> binary_to_term(base64:decode(string:trim(Line)));
        _ -> halt(1)
    end.

%% In the other VM: says what it found out, and ends.
-spec answer(term()) -> no_return().
answer(Term) ->
    io:put_chars(["\n", ?ANSWER, base64:encode(term_to_binary(Term)), "\n"]),
    halt(0).
