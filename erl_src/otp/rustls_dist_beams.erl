%% Whether the Erlang that runs takes the application's modules: it may refuse what another release compiled, those that match
%% binaries for example and not others. What is refused would show as `undef' where it is called first.
%%
%% This module has to load wherever it may be asked, so it is kept plain: no matching of binaries.
%%
%% @private
-module(rustls_dist_beams).

-export([refused/0]).

%% The version of the compiler that came with a release.
-define(COMPILERS, [{"8.2", "25"}, {"8.3", "26"}, {"8.4", "26"}, {"8.5", "27"}, {"8.6", "27"}, {"9", "28"}, {"10", "29"}]).

%% What to tell the user of modules that are refused. It loads all modules, so it is for when something is amiss.
-spec refused() -> none | {some, unicode:chardata()}.
refused() ->
    Ebin = ebin(),
    case code:ensure_modules_loaded(modules(Ebin)) of
        ok -> none;
        {error, Reasons} ->
            case [Module || {Module, badfile} <- Reasons] of
                [] -> none;
                [Module | _] = Refused -> {some, text(Ebin, Module, length(Refused))}
            end
    end.

ebin() ->
    case code:which(?MODULE) of
        File when is_list(File) -> filename:dirname(File);
        _ -> "."
    end.

modules(Ebin) ->
    case erl_prim_loader:list_dir(Ebin) of
        {ok, Names} -> [list_to_atom(filename:rootname(Name)) || Name <- Names, filename:extension(Name) =:= ".beam"];
        error -> []
    end.

text(Ebin, Module, Count) ->
    Running = erlang:system_info(otp_release),
    io_lib:format("OTP ~ts refuses modules of rustls_dist in ~ts (~b, ~ts the first): they were compiled with ~ts; compile them "
                  "with OTP ~ts (make, or rebar3 compile, after removing that folder)",
                  [Running, Ebin, Count, Module, compiler(filename:join(Ebin, lists:concat([Module, ".beam"]))), Running]).

compiler(File) ->
    case beam_lib:chunks(File, [compile_info]) of
        {ok, {_Module, [{compile_info, Info}]}} ->
            Version = proplists:get_value(version, Info, "unknown"),
            ["the compiler of version ", Version, otp_of(Version)];
        {error, beam_lib, _Reason} ->
            "another release, or are damaged"
    end.

otp_of(Version) ->
    case [Otp || {Compiler, Otp} <- ?COMPILERS, lists:prefix(Compiler ++ ".", Version) orelse Compiler =:= Version] of
        [Otp] -> [" (OTP ", Otp, ")"];
        [] -> ""
    end.
