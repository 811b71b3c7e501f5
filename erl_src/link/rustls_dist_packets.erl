%% The packets of the distribution handshake, judged by their shape before dist_util takes them apart: it crashes over some,
%% with a report that holds the whole packet, and makes an atom of a name that nobody looked at.
%%
%% The shapes are those of erts' distribution protocol (send_name, send_status, send_challenge, send_challenge_reply,
%% send_challenge_ack), and the question of rustls_dist_ping. What is well-formed and still has no place where it comes is dist_util's to refuse, which it does
%% in order.
%%
%% @private
-module(rustls_dist_packets).

-export([judge/3, name/1, question/1]).

-export_type([fault/0]).

-include_lib("kernel/include/dist.hrl").

%% What is wrong, and how the packet begins.
-type fault() :: {bad_packet, name | name_of_old_release | challenge | challenge_reply | challenge_ack | status | long
                             | unknown, Beginning :: binary()}.

%% Above every packet that the handshake knows: the longest holds a name of 255 characters, beside 30 bytes.
-define(MAX_BYTES, 1024).

%% The most that an atom holds (erts, MAX_ATOM_CHARACTERS), and so a node's name.
-define(MAX_NAME, 255).

-define(BEGINNING, 64).

%% Direction: who opened the link; MyNode: this node's name, which is undefined@Host where it asks the peer for one.
-spec judge(in | out, node(), binary()) -> ok | {error, fault()}.
judge(_Direction, _MyNode, Packet) when byte_size(Packet) > ?MAX_BYTES ->
    fault(long, Packet);
judge(in, _MyNode, <<$N, _/binary>> = Packet) ->
    case name(Packet) of
        {ok, _Name} -> ok;
        {error, _} = Error -> Error
    end;
judge(in, _MyNode, <<$n, _/binary>> = Packet) ->
    fault(name_of_old_release, Packet);
judge(in, _MyNode, <<$p, _/binary>> = Packet) ->
    case question(Packet) of
        {ok, _Name} -> ok;
        error -> fault(unknown, Packet)
    end;
judge(in, _MyNode, <<$r, Rest/binary>> = Packet) ->
    sized(Rest, 20, challenge_reply, Packet);
judge(out, _MyNode, <<$N, _Flags:64, _Challenge:32, _Creation:32, Length:16, Name:Length/binary, _/binary>> = Packet) ->
    case is_full_name(Name) of
        true -> ok;
        false -> fault(challenge, Packet)
    end;
judge(out, _MyNode, <<$N, _/binary>> = Packet) ->
    fault(challenge, Packet);
judge(out, _MyNode, <<$a, Rest/binary>> = Packet) ->
    sized(Rest, 16, challenge_ack, Packet);
judge(out, MyNode, <<"snamed:", Given/binary>> = Packet) ->
    case is_given_name(MyNode, Given) of
        true -> ok;
        false -> fault(status, Packet)
    end;
judge(_Direction, _MyNode, <<$s, _/binary>>) ->
    ok;
judge(_Direction, _MyNode, Packet) ->
    fault(unknown, Packet).

%% The name in the first packet of a link (send_name): the node's, or its host's alone when it asks for a name.
-spec name(binary()) -> {ok, string()} | {error, fault()}.
name(<<$N, Flags:64, _Creation:32, Length:16, Name:Length/binary, _/binary>> = Packet) ->
    IsGood = case Flags band ?DFLAG_NAME_ME of
                 0 -> is_full_name(Name);
                 _ -> is_part(Name)
             end,
    case IsGood of
        true -> {ok, binary_to_list(Name)};
        false -> fault(name, Packet)
    end;
name(Packet) ->
    fault(name, Packet).

%% The node in the question that a peer may ask in the place of its name (rustls_dist_ping), or nobody's. Its first byte is that of
%% no packet of the distribution handshake; later forms may say more behind the name.
-spec question(binary()) -> {ok, string()} | error.
question(<<"prustls_dist", _Form, Length:16, Name:Length/binary, _/binary>>) when Name =:= <<>> ->
    {ok, ""};
question(<<"prustls_dist", _Form, Length:16, Name:Length/binary, _/binary>>) ->
    case is_full_name(Name) of
        true -> {ok, binary_to_list(Name)};
        false -> error
    end;
question(_Packet) ->
    error.

%% Only who asked for a name is given one, and it is of the host that asked.
is_given_name(MyNode, <<Length:16, Name:Length/binary, _Creation:32, _/binary>>) ->
    is_full_name(Name) andalso
        case {dist_util:split_node(MyNode), binary:split(Name, <<"@">>)} of
            {{node, "undefined", Host}, [_, Given]} -> Host =:= binary_to_list(Given);
            _ -> false
        end;
is_given_name(_MyNode, _Given) ->
    false.

is_full_name(Name) when byte_size(Name) =< ?MAX_NAME ->
    case binary:split(Name, <<"@">>, [global]) of
        [Part, Host] -> is_part(Part) andalso is_part(Host);
        _ -> false
    end;
is_full_name(_Long) ->
    false.

%% Names of other programs than erl may have more than letters in them, but no blanks and no controls.
is_part(Part) when Part =/= <<>>, byte_size(Part) =< ?MAX_NAME ->
    lists:all(fun(Byte) -> Byte > $\s andalso Byte =/= 127 andalso Byte =/= $@ end, binary_to_list(Part));
is_part(_Part) ->
    false.

sized(Rest, Size, _What, _Packet) when byte_size(Rest) =:= Size -> ok;
sized(_Rest, _Size, What, Packet) -> fault(What, Packet).

fault(What, Packet) ->
    {error, {bad_packet, What, binary:copy(binary:part(Packet, 0, min(?BEGINNING, byte_size(Packet))))}}.
