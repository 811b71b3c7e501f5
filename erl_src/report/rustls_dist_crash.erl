%% What may be told of a process that crashed. VM, proc_lib and supervisors print an error's reason and stack trace, and those
%% carry terms: the value that matched nothing, the arguments of the call that failed. In this carrier they may be messages
%% of the users in clear, options with a password, or all that a server holds. What is left here says where it happened.
%%
%% @private
-module(rustls_dist_crash).

-export([without_terms/1, format_status/1]).

%% Calls Fun. An error that leaves it is the same kind of error at the same place, without the terms. Exits pass: their
%% reasons are chosen, and the first one of a link is to survive.
-spec without_terms(fun(() -> Result)) -> Result.
without_terms(Fun) ->
    try
        Fun()
    catch
        error:Reason:Stack -> erlang:raise(error, kind(Reason), bare(Stack));
        throw:_:Stack -> erlang:raise(error, nocatch, bare(Stack))
    end.

%% For the callback of that name of gen_server, from OTP 25 on: what a crash report and sys:get_status/1 show.
-spec format_status(gen_server:format_status()) -> gen_server:format_status().
format_status(Status) ->
    maps:map(fun(state, _State) -> left_out;
                (message, Message) -> kind(Message);
                (log, _Events) -> [];
                (reason, {Reason, [_ | _] = Stack}) -> {kind(Reason), bare(Stack)};
                (_Key, Value) -> Value
             end, Status).

kind(Term) when is_atom(Term) -> Term;
kind(Term) when is_tuple(Term), tuple_size(Term) > 0 -> kind(element(1, Term));
kind(_Term) -> left_out.

bare(Stack) ->
    [without_arguments(Frame) || Frame <- Stack].

without_arguments({Module, Function, Arguments, Location}) when is_list(Arguments) ->
    {Module, Function, length(Arguments), lists:keydelete(error_info, 1, Location)};
without_arguments(Frame) ->
    Frame.
