%% What peers with the same options would say: TLS handshakes of the node with itself.
%%
%% @private
-module(rustls_dist_check_peers).

-export([findings/1]).

%% Faults that have a finding of their own, with a better remedy: rustls_dist_check_certificates and rustls_dist_check_names.
-define(TOLD, [certificate_expired, certificate_not_yet_valid, wrong_key_usage, unsupported_signature_algorithm]).

-spec findings(rustls_dist_check_subject:subject()) -> [rustls_dist_command_finding:finding()].
findings(#{sides := Sides, roles := Roles} = Subject) ->
    case lists:append([not_here(Role, Side) || {Role, Side} <- rustls_dist_check_subject:sides(Subject)]) of
        [] -> as_server(Subject, Sides) ++ as_client(Sides, Roles);
        NotHere -> NotHere
    end.

%% A function that is not to be found here cannot be asked; and verify_client asks where a client connects from.
not_here(_Role, #{options := #{verify_fun := {Fun, _State, Label}}}) ->
    {module, Module} = erlang:fun_info(Fun, module),
    {type, Type} = erlang:fun_info(Fun, type),
    case Type =:= external andalso code:ensure_loaded(Module) of
        {error, _} ->
            [#{severity => note, is => not_tried_out, where => "verify_fun",
               what => [Label, " is not in the code path of this command, so that nobody tried out what peers say of the node"],
               remedy => "give the folder of its module: -- -pa FOLDER"}];
        _ ->
            case rustls_dist_ready_made:which(Fun) of
                verify_client ->
                    [#{severity => note, is => not_tried_out, where => "verify_fun",
                       what => [Label, " judges clients by where they connect from, which only a network shows"],
                       remedy => "try it out with rustls-dist ping from another node's host"}];
                _ ->
                    []
            end
    end;
not_here(_Role, _Side) ->
    [].

as_server(Subject, #{server := #{options := Options} = Server, client := #{role := #{verify := verify_peer} = Role}}) ->
    [refused(refused_as_server, Server, "server", Failure)
     || Material <- rustls_dist_check_rehearsal:materials(Options),
        {error, Failure} <- [rustls_dist_check_rehearsal:as_server(Material, Role, expected(Subject, Role))],
        not is_told(Subject, Failure)];
as_server(_Subject, _Sides) ->
    [].

expected(#{host := none}, #{name := node_host}) -> any;
expected(#{host := Host}, #{name := node_host}) -> unicode:characters_to_binary(Host);
expected(_Subject, #{name := Name}) -> Name.

as_client(#{client := #{options := Options} = Client, server := #{role := #{verify := verify_peer} = Role}}, _Roles) ->
    Materials = case rustls_dist_check_rehearsal:materials(Options) of
                    [] -> [none];
                    Some -> Some
                end,
    [refused(refused_as_client, Client, "client", Failure)
     || Material <- Materials, {error, Failure} <- [rustls_dist_check_rehearsal:as_client(Material, Role)],
        not is_told(any, Failure)];
as_client(_Sides, _Roles) ->
    [].

is_told(#{host := Host}, {tls, #{kind := name_mismatch}}) -> Host =/= none;
is_told(_Subject, {tls, #{kind := Kind}}) -> lists:member(Kind, ?TOLD);
is_told(_Subject, _Failure) -> false.

%% no_certificate: the server of the rehearsal is the one that judges.
refused(Is, Side, Role, Failure) ->
    #{severity => error, is => Is, where => rustls_dist_check_certificates:where(Side),
      what => ["a node with the same options refuses this one as a ", Role, ": ", text(Failure)],
      remedy => remedy(Is, Failure)}.

text({tls, #{text := Text}}) -> rustls_dist_peer_text:line(Text);
text(Failure) -> rustls_dist_failure_text:text(#{direction => out, stage => tls}, Failure).

remedy(refused_as_client, {tls, #{kind := no_peer_certificate}}) ->
    "give the client part certfile and keyfile, as the server part has them";
remedy(_Is, {tls, #{kind := Kind}}) when Kind =:= unknown_issuer; Kind =:= issuer_in_other_bytes; Kind =:= self_signed_peer ->
    "compare cacertfile with the authority that issued certfile; certificates between them belong into certfile, after the "
    "node's own";
remedy(_Is, {tls, #{kind := Kind}}) when Kind =:= no_shared_version; Kind =:= no_shared_cipher; Kind =:= peer_incompatible ->
    "let versions and ciphers of the server and the client part have something in common";
remedy(_Is, _Failure) ->
    "mend what it says, or change the options that judge; doc/verification.md says what is checked".
