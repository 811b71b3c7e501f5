%% Calls of functions that do not exist, calls of deprecated ones, and local functions nobody uses.
%%
%%   escript xref.escript EBIN
%%
%% Prints each finding and exits with 1 when there is one.
-mode(compile).

main([Ebin]) ->
    {ok, Xref} = xref:start([{xref_mode, functions}]),
    ok = xref:set_default(Xref, [{warnings, false}, {verbose, false}]),
    ok = xref:set_library_path(Xref, code:get_path()),
    {ok, _Modules} = xref:add_directory(Xref, Ebin),
    Kinds = [undefined_function_calls, deprecated_function_calls, locals_not_used],
    Findings = [{Kind, Found} || Kind <- Kinds, Found <- analysis(Xref, Kind)],
    [io:format("xref: ~ts: ~tp~n", [Kind, Found]) || {Kind, Found} <- Findings],
    halt(case Findings of [] -> 0; _ -> 1 end).

analysis(Xref, Kind) ->
    {ok, Found} = xref:analyze(Xref, Kind),
    Found.
