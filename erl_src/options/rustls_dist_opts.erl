%% TLS options of the distribution: flag words and file terms in, one validated map out.
%%
%% The grammar is that of OTP's inet_tls_dist: `-ssl_dist_opt server_Key Value client_Key Value ...', any
%% number of times, and `-ssl_dist_optfile File' with [{server, Options}, {client, Options}].
%% What OTP passes over in silence is an error or a notice here.
%%
%% Pure: the caller fetches the words and reads the file (rustls_dist_optfile), once for each side it calls
%% parse/2, and reports problems and notices.
%%
%% @private
-module(rustls_dist_opts).

-export([parse/2, has_certificate/1, format_problem/1, format_notice/1]).

-export_type([side/0, source/0, origin/0, options/0, parsed/0, problem/0, notice/0]).

-type side() :: server | client.

%% All words after every -ssl_dist_opt, in order, or the contents of the options file.
-type source() :: {flag, [word()]} | {optfile, File :: word(), [{side(), list()}]}.

%% A word of the command line; its bytes, if it is no text (rustls_dist_file_name:word/1).
-type word() :: string() | binary().

%% Where a value came from.
-type origin() :: flag | {optfile, File :: word()} | default.

-type options() ::
        #{certfile => binary(), keyfile => binary(), cacertfile => binary(),    % paths, as the system has them
          password => binary(),
          certs_keys => [#{certfile := binary(), keyfile => binary(), password => binary()}, ...],
          cacerts => [public_key:der_encoded(), ...],
          verify => verify_peer | verify_none,
          fail_if_no_peer_cert => boolean(),                                    % server only
          depth => 0..255,                                      % intermediate certificates
          versions => ['tlsv1.2' | 'tlsv1.3', ...],             % newest first
          ciphers => [binary(), ...],                           % names as given
          supported_groups => [binary(), ...], eccs => [binary(), ...],         % names as given
          key_update_at => pos_integer(),                       % bytes
          hibernate_after => timeout(),                         % ms
          server_name_indication => disable | binary(),         % client only
          customize_hostname_check => [{atom(), function()}],   % client only
          verify_fun => rustls_dist_verify:user_fun(),
          crl_check => true | peer | best_effort | false,
          crl_cache => {module(), {term(), term()}},
          crlfile => binary(),                                  % path, as the system has it
          verify_node => rustls_dist_verify_node:policy(),
          recheck => pos_integer()}.                            % seconds

-type parsed() :: #{options := options(), origins := #{atom() => origin()}, notices := [notice()]}.

-type problem() ::
        {unknown, side(), origin(), Name :: term(), Nearest :: atom() | none}
      | {wrong_value, side(), origin(), Key :: atom(), {shown, term()} | withheld, Expected :: string()}
      | {refused, side(), origin(), Key :: atom(), Instead :: string()}
      | {other_side, side(), origin(), Key :: atom(), side()}
      | {no_prefix, side(), Word :: {shown, word()} | withheld, Position :: pos_integer()}
      | {no_value, side(), Word :: string()}
      | {malformed, side(), origin(), Position :: pos_integer()}
      | {needs, side(), origin(), Key :: atom(), certfile | cacertfile | verify}.

-type notice() ::
        {no_meaning, side(), origin(), Key :: atom(), Why :: string()}
      | {overridden, side(), Key :: atom(), Used :: origin(), Dropped :: origin()}
      | {unauthenticated, side() | both}
      | {crlfile_unusable, side(), File :: binary(), Why :: unicode:chardata()}
      | peer_certificate_optional
      | no_certificate.                 % of the server side, for who listens: parse/2 does not know that

%% What became of one option of one source.
-type outcome() :: {option, Key :: atom(), Value :: term(), origin()} | {notice, notice()}.

%% Validates everything given for one side and completes it.
%% Side: the side wanted; what is given for the other side is skipped.
%% Sources: the sources in order of precedence: of an option given in two, the value of the earlier is taken.
%% Within one source the last value is taken, as ssl does with its option list. What is overridden must be
%% valid all the same.
%% Result: the completed options as they take effect, where each came from, and what the user ought to be told; or
%% the first problem. Both sides may lack a certificate: a server side without one lets nobody in.
-spec parse(side(), [source()]) -> {ok, parsed()} | {error, problem()}.
parse(Side, Sources) ->
    try
        Outcomes = [outcomes(Side, Source) || Source <- Sources],
        {Given, Origins, Overridden} = take(Side, lists:flatmap(fun lists:reverse/1, Outcomes)),
        {Options, Unused} = in_effect(Side, defaults(Side, Given), Origins),
        ok = check(Side, Given, Options, Origins),
        Notices = [Notice || {notice, Notice} <- lists:append(Outcomes)]
            ++ Overridden ++ Unused ++ warnings(Side, Options),
        {ok, #{options => Options, notices => lists:uniq(Notices),
               origins => maps:merge(maps:map(fun(_, _) -> default end, Options), maps:with(maps:keys(Options), Origins))}}
    catch
        throw:{?MODULE, Problem} -> {error, Problem}
    end.

%% Fills in what was not given. A peer is verified exactly where there is something, or a function, to verify it by.
%% Depth is ssl's default (ssl_internal.hrl of OTP 25); the versions are all that are offered.
%% fail_if_no_peer_cert is what ssl of the running release makes of verify_peer.
defaults(Side, Options) ->
    Verify = case Options of
                 #{cacertfile := _} -> verify_peer;
                 #{cacerts := _} -> verify_peer;
                 #{verify_fun := _} -> verify_peer;
                 #{} -> verify_none
             end,
    Common = #{verify => Verify, depth => 10, versions => ['tlsv1.3', 'tlsv1.2'], hibernate_after => infinity},
    maps:merge(case Side of
                   server -> Common#{fail_if_no_peer_cert => insists(maps:get(verify, Options, Verify))};
                   client -> Common
               end,
               Options).

insists(verify_none) -> false;
insists(verify_peer) -> rustls_dist_release:servers_insist().

%% In ssl, verify_none is a verify_fun that forgives every fault. The user's own takes its place, and is asked on the client
%% side as with verify_peer; a server asks for no certificate then, and there is nothing that the function could be asked
%% about (ssl:handle_option/4, tls_dtls_connection:request_client_cert/1 of OTP 25).
in_effect(client, #{verify := verify_none, verify_fun := _} = Options, _Origins) ->
    {Options#{verify := verify_peer}, []};
in_effect(server, #{verify := verify_none, verify_fun := _} = Options, #{verify_fun := Origin}) ->
    Why = "with verify_none clients are asked for no certificate that the function could judge; set verify to verify_peer",
    {maps:remove(verify_fun, Options), [{no_meaning, server, Origin, verify_fun, Why}]};
in_effect(_Side, Options, _Origins) ->
    {Options, []}.

%% Whether the side has a certificate to show, which a server must.
-spec has_certificate(options()) -> boolean().
has_certificate(Options) ->
    is_map_key(certfile, Options) orelse is_map_key(certs_keys, Options).

%% One sentence: the option, the side, the source, the fault, the remedy.
-spec format_problem(problem()) -> unicode:chardata().
format_problem(Problem) ->
    rustls_dist_opt_text:problem(Problem).

%% One sentence about an accepted option or combination that the user ought to know of.
-spec format_notice(notice()) -> unicode:chardata().
format_notice(Notice) ->
    rustls_dist_opt_text:notice(Notice).

-spec outcomes(side(), source()) -> [outcome()].
outcomes(Side, {flag, Words}) ->
    flag(Side, Words, {shown, ""}, 1);
outcomes(Side, {optfile, File, Sides}) ->
    Options = lists:append([Options || {S, Options} <- Sides, S =:= Side]),
    [entry(Side, {optfile, File}, Entry, Position)
     || {Position, Entry} <- lists:enumerate(Options)].

%% The words are pairs, so a missing value makes a value stand where an option is expected. It may be a
%% password, and then it is not repeated.
flag(_Side, [], _Before, _Position) ->
    [];
flag(Side, [Word | Rest], Before, Position) ->
    case {prefix(Word), Rest} of
        {none, _} ->
            fail({no_prefix, Side, withheld_after(Before, Word), Position});
        {_, []} ->
            fail({no_value, Side, Word});
        {{Side, Name}, [Value | More]} ->
            [named(Side, flag, Name, {text, Value}) | flag(Side, More, {shown, Value}, Position + 2)];
        {{_OtherSide, _}, [Value | More]} ->
            flag(Side, More, {shown, Value}, Position + 2)
    end.

prefix("server_" ++ Name) -> {server, Name};
prefix("client_" ++ Name) -> {client, Name};
prefix(_) -> none.

withheld_after({shown, Before}, Word) ->
    case string:find(rustls_dist_file_name:shown(Before), "password", trailing) of
        "password" -> withheld;
        _ -> {shown, Word}
    end.

%% Words are compared with the known names, so that no word becomes an atom.
named(Side, Origin, Name, Form) ->
    case [Key || Key <- rustls_dist_opt_values:names(), atom_to_list(Key) =:= Name] of
        [Key | _] -> judged(Side, Origin, Key, Form);
        [] -> fail({unknown, Side, Origin, Name, nearest(Name)})
    end.

%% As in a property list, a bare atom stands for {Atom, true}.
entry(Side, Origin, {Key, Value}, _Position) -> judged(Side, Origin, Key, {term, Value});
entry(Side, Origin, Key, _Position) when is_atom(Key) -> judged(Side, Origin, Key, {term, true});
entry(Side, Origin, {raw, _, _, _} = Raw, _Position) -> judged(Side, Origin, raw, {term, Raw});
entry(Side, Origin, _Other, Position) -> fail({malformed, Side, Origin, Position}).

judged(Side, Origin, Key, Form) when is_atom(Key) ->
    case rustls_dist_opt_values:judge(Side, Key, Form) of
        {ok, Value} -> {option, Key, Value, Origin};
        {no_meaning, Why} -> {notice, {no_meaning, Side, Origin, Key, Why}};
        {refused, Instead} -> fail({refused, Side, Origin, Key, Instead});
        {wrong, Expected} -> fail({wrong_value, Side, Origin, Key, shown(Key, Form), Expected});
        {other_side, Other} -> fail({other_side, Side, Origin, Key, Other});
        unknown -> fail({unknown, Side, Origin, Key, nearest(atom_to_list(Key))})
    end;
judged(Side, Origin, Key, _Form) ->
    fail({unknown, Side, Origin, Key, none}).

shown(password, _Form) -> withheld;
shown(_Key, {_, Value}) -> {shown, Value}.

%% The first occurrence is taken: the caller puts the winner first.
take(Side, Outcomes) ->
    lists:foldl(fun({notice, _}, Taken) -> Taken;
                   ({option, Key, Value, Origin}, Taken) -> take(Side, Key, Value, Origin, Taken)
                end, {#{}, #{}, []}, Outcomes).

take(Side, Key, Value, Origin, {Options, Origins, Overridden}) ->
    case Options of
        #{Key := Value} ->
            {Options, Origins, Overridden};
        #{Key := _} ->
            {Options, Origins, Overridden ++ [{overridden, Side, Key, maps:get(Key, Origins), Origin}]};
        #{} ->
            {Options#{Key => Value}, Origins#{Key => Origin}, Overridden}
    end.

%% What can be judged without reading a file. Given: what the user gave; Options: what takes effect.
check(Side, Given, Options, Origins) ->
    Needs = [{Key, certfile} || Key <- [keyfile, password],
                                is_map_key(Key, Given), not has_certificate(Given)]
        ++ [{verify, cacertfile} || #{verify := verify_peer} <- [Given], not is_map_key(cacertfile, Given),
                                    not is_map_key(cacerts, Given),
                                    not is_map_key(verify_fun, Given)]
        ++ [{Key, verify} || Key <- [crl_check, crl_cache, crlfile, verify_node, recheck], is_map_key(Key, Given),
                             maps:get(verify, Options) =:= verify_none, maps:get(Key, Given) =/= false]
        ++ [{fail_if_no_peer_cert, verify}
            || #{fail_if_no_peer_cert := true, verify := verify_none} <- [Options]],
    case Needs of
        [{Key, Needed} | _] -> fail({needs, Side, maps:get(Key, Origins), Key, Needed});
        [] -> ok
    end.

%% How well clients are verified does not matter where none is let in.
warnings(Side, Options) ->
    case {Side, has_certificate(Options), Options} of
        {server, false, _} -> [];
        {_, _, #{verify := verify_none}} -> [{unauthenticated, Side}];
        {server, true, #{fail_if_no_peer_cert := false}} -> [peer_certificate_optional];
        _ -> []
    end.

%% The known name that a misspelt one was probably meant to be: the one that shares the largest part of its
%% characters, in order, and most of them; a beginning in common counts for more. Counting edits would find dhfile closer
%% to cafile than cacertfile.
%% A side's prefix does not belong to the name.
nearest("server_" ++ Name) -> nearest(Name);
nearest("client_" ++ Name) -> nearest(Name);
nearest(Name) ->
    Known = rustls_dist_opt_values:names(),
    Near = [{Percent + 2 * length(lists:takewhile(fun({A, B}) -> A =:= B end, pairs(Name, atom_to_list(Key)))), Key}
            || Key <- Known, Percent <- [percent_shared(Name, atom_to_list(Key))], Percent >= 70],
    case lists:sort(Near) of
        [] -> none;
        Sorted -> element(2, lists:last(Sorted))
    end.

pairs([A | As], [B | Bs]) -> [{A, B} | pairs(As, Bs)];
pairs(_, _) -> [].

percent_shared(Name, Known) ->
    200 * common(Name, Known) div (length(Name) + length(Known)).

%% The length of the longest common subsequence, one row of the table at a time.
common(Name, Known) ->
    Zeros = [0 || _ <- [first | Known]],
    lists:last(lists:foldl(fun(Char, Above) -> row(Char, Known, Above, [0]) end, Zeros, Name)).

row(_Char, [], [_], Done) ->
    lists:reverse(Done);
row(Char, [Char | Known], [Diagonal | Above], Done) ->
    row(Char, Known, Above, [Diagonal + 1 | Done]);
row(Char, [_ | Known], [_Diagonal, Top | Above], [Left | _] = Done) ->
    row(Char, Known, [Top | Above], [max(Top, Left) | Done]).

-spec fail(problem()) -> no_return().
fail(Problem) ->
    throw({?MODULE, Problem}).
