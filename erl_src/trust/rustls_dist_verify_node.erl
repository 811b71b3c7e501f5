%% verify_node: the name that a peer states in the distribution handshake must be in its certificate. Without it any holder
%% of a valid certificate may call itself any node.
%%
%% @private
-module(rustls_dist_verify_node).

-export([check/3]).

-export_type([policy/0]).

-include_lib("public_key/include/public_key.hrl").

%% `host': the host part is a DNS name or an IP address of the certificate. `name': the whole name is in it, as the URI
%% erlang:Name@Host or as inet_tls_dist:cert_nodes/1 reads it (a directoryName's common name beside a DNS name).
%% `{uri, Template}': the URI that Template becomes with %n and %h replaced by the two parts of the name.
-type policy() :: false | host | name | {uri, Template :: string()}.

%% Whether the certificate (DER, or none was shown) carries the stated name.
-spec check(policy(), Stated :: string(), public_key:der_encoded() | none) ->
          ok | {error, {verify_node, policy(), Stated :: string(), [string()] | no_certificate} 
                      | rustls_dist_peer_certificate:undecodable()}.
check(false, _Stated, _Der) ->
    ok;
check(Policy, Stated, none) ->
    {error, {verify_node, Policy, Stated, no_certificate}};
check(Policy, Stated, Der) ->
    case rustls_dist_peer_certificate:decoded(Der) of
        {ok, Cert} ->
            Names = alternative_names(Cert),
            case carries(Policy, Stated, Names) of
                true -> ok;
                false -> {error, {verify_node, Policy, Stated, [text(Name) || Name <- Names]}}
            end;
        Error ->
            Error
    end.

carries(host, Stated, Names) ->
    case rustls_dist_hostname:of_node(Stated) of
        {ok, Host} -> has_host(Host, Names);
        none -> false
    end;
carries(Policy, Stated, Names) ->
    case dist_util:split_node(Stated) of
        {node, Name, Host} -> carries(Policy, Name, Host, Names);
        _NoFullName -> false
    end.

carries(name, Name, Host, Names) ->
    lists:member({uniformResourceIdentifier, "erlang:" ++ Name ++ "@" ++ Host}, Names)
        orelse (lists:member(Name, directory_names(Names)) andalso has_dns(Host, Names));
carries({uri, Template}, Name, Host, Names) ->
    %% A part with a delimiter in it could stand for another pair of parts.
    not lists:any(fun(Char) -> lists:member(Char, "/?#%") end, Name ++ Host)
        andalso lists:member({uniformResourceIdentifier, filled(Template, Name, Host)}, Names).

has_host(Host, Names) ->
    case rustls_dist_hostname:reference(Host, as_dialled) of
        {ip, Ip} -> lists:member({iPAddress, bytes(Ip)}, Names);
        {dns_id, Host} -> has_dns(Host, Names)
    end.

has_dns(Host, Names) ->
    lists:any(fun(Dns) -> rustls_dist_hostname:same_dns_name(Dns, Host) end, [Dns || {dNSName, Dns} <- Names]).

directory_names(Names) ->
    [Text || {directoryName, {rdnSequence, Rdns}} <- Names, Rdn <- Rdns,
             #'AttributeTypeAndValue'{type = ?'id-at-commonName', value = Value} <- Rdn, {ok, Text} <- [common_name(Value)]].

%% Inside of an alternative name OTP 25 leaves it encoded.
common_name({_Kind, Text}) ->
    case unicode:characters_to_list(Text) of
        Chars when is_list(Chars) -> {ok, Chars};
        _ -> error
    end;
common_name(Der) when is_binary(Der) ->
    try
        common_name(public_key:der_decode('X520CommonName', Der))
    catch
        _:_ -> error
    end;
common_name(_) ->
    error.

filled([$%, $n | Rest], Name, Host) -> Name ++ filled(Rest, Name, Host);
filled([$%, $h | Rest], Name, Host) -> Host ++ filled(Rest, Name, Host);
filled([Char | Rest], Name, Host) -> [Char | filled(Rest, Name, Host)];
filled([], _Name, _Host) -> [].

bytes({A, B, C, D}) -> <<A, B, C, D>>;
bytes(Ip6) -> << <<Part:16>> || Part <- tuple_to_list(Ip6) >>.

alternative_names(#'OTPCertificate'{tbsCertificate = #'OTPTBSCertificate'{extensions = Extensions}})
  when is_list(Extensions) ->
    lists:append([Names || #'Extension'{extnID = ?'id-ce-subjectAltName', extnValue = Names} <- Extensions]);
alternative_names(_NoExtensions) ->
    [].

text({dNSName, Name}) -> "DNS:" ++ Name;
text({uniformResourceIdentifier, Uri}) -> "URI:" ++ Uri;
text({iPAddress, <<A, B, C, D>>}) -> "IP:" ++ inet:ntoa({A, B, C, D});
text({iPAddress, <<_:128>> = Bytes}) -> "IP:" ++ inet:ntoa(list_to_tuple([Part || <<Part:16>> <= Bytes]));
text({directoryName, _} = Name) -> "directory name " ++ lists:join($,, directory_names([Name]));
text(Other) -> lists:flatten(io_lib:format("~0tp", [Other])).
