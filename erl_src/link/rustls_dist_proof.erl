%% Who dialled this node proves to have the cookie before the node hears of it. dist_util makes an atom of the name that a peer
%% states, and has net_kernel hold it as that of a link to come, before it compares cookies: who has a certificate and no cookie
%% could fill the table of atoms, keep a node's name from that node, and end this node's own attempt to reach it.
%%
%% So the question is asked here, in the packets that dist_util would send, and when dist_util comes to ask it gets the answer
%% that is already there. For the peer it is one distribution handshake, with the packets that it would have otherwise.
%%
%% A peer that asks for a name has to be told one, which net_kernel makes up, before it can prove anything: those are counted
%% instead (rustls_dist_nameless).
%%
%% @private
-module(rustls_dist_proof).

-export([demand/2]).

-include_lib("kernel/include/dist.hrl").
-include_lib("kernel/include/dist_util.hrl").

%% What the peer was told, and what it proved. told: the first answer to its name.
-record(proof, {told :: ok | ok_simultaneous | alive, cookie :: atom(), challenge :: 0..16#ffffffff, flags :: non_neg_integer()}).

%% Hears the peer out, up to its proof. First: the packet with its name (rustls_dist_packets:name/1 has looked at it). Gives what
%% dist_util is to go on with. Exits as dist_util does, with its reasons, when the peer is turned away.
-spec demand(#hs_data{}, First :: binary()) -> #hs_data{}.
demand(HsData, <<$N, Given:64, _Creation:32, Length:16, Name:Length/binary, _/binary>> = First) ->
    Flags = rustls_dist_protocol:with_digest(Given),
    ok = allowed(HsData, binary_to_list(Name)),
    ok = able(HsData, Flags),
    case Flags band ?DFLAG_NAME_ME of
        0 ->
            Node = known(Name),
            case first_answer(HsData, Node) of
                none -> replaying(HsData, First, none);
                Told -> replaying(HsData, First, proven(HsData, Node, Told))
            end;
        _ ->
            counted(replaying(HsData, First, none))
    end.

%% As dist_util does it, but for its notice, which would stand in the log for each attempt.
allowed(#hs_data{allowed = Allowed} = HsData, Name) ->
    case Allowed =:= [] orelse dist_util:is_allowed(Name, Allowed) of
        true -> ok;
        false -> not_allowed(HsData, {is_allowed, not_allowed})
    end.

able(HsData, Flags) ->
    {_Own, Mandatory} = rustls_dist_protocol:own_flags(),
    case rustls_dist_protocol:missing(Mandatory, Flags) of
        [] -> ok;
        Missing -> not_allowed(HsData, {check_dflags_failed, Missing})
    end.

-spec not_allowed(#hs_data{}, term()) -> no_return().
not_allowed(#hs_data{socket = Socket, f_send = Send}, Reason) ->
    _ = Send(Socket, "snot_allowed"),
    exit(Reason).

%% A name that this node never heard stays none.
known(Name) ->
    try
        binary_to_existing_atom(Name, latin1)
    catch
        error:badarg -> unknown
    end.

%% What net_kernel would have the peer told (its accept_pending). `none' where it turns the peer away at once: another attempt
%% is there that wins, or the name is this node's.
first_answer(_HsData, unknown) ->
    ok;
first_answer(#hs_data{this_node = MyNode}, MyNode) ->
    none;
first_answer(#hs_data{this_node = MyNode}, Node) ->
    case connection(Node) of
        none -> ok;
        up -> alive;
        pending when MyNode < Node -> ok_simultaneous;
        _ -> none
    end.

%% How far net_kernel is with a node, from its table (net_kernel, #connection{}). Without that table nobody gets further.
connection(Node) ->
    try ets:lookup(sys_dist, Node) of
        [Connection] when element(1, Connection) =:= connection -> element(4, Connection);
        _ -> none
    catch
        error:badarg -> none
    end.

proven(HsData, Node, Told) ->
    ok = send(HsData, [$s, atom_to_list(Told)]),
    ok = still_wanted(HsData, Told),
    Flags = own_flags(Node),
    Challenge = rustls_dist_protocol:challenge(),
    ok = send(HsData, challenge(HsData, Flags, Challenge)),
    Cookie = cookie(Node),
    Expected = rustls_dist_protocol:digest(Challenge, Cookie),
    case recv(HsData) of
        {ok, <<$r, Theirs:32, Expected:16/binary>>} ->
            #proof{told = Told, cookie = Cookie, challenge = Theirs, flags = Flags};
        {ok, <<$r, _Theirs:32, _Wrong:16/binary>>} ->
            exit({recv_challenge_reply_failed, bad_cookie});
        {ok, Other} ->
            exit({recv_challenge_reply_failed, {ok, binary_to_list(Other)}});
        Error ->
            exit({recv_challenge_reply_failed, Error})
    end.

%% Beside a link that is up, the peer is asked whether it knows of this one.
still_wanted(HsData, alive) ->
    case recv(HsData) of
        {ok, <<"strue">>} -> ok;
        {ok, <<"sfalse">>} -> exit(shutdown);
        {ok, <<$s, Status/binary>>} -> exit({recv_status_failed, unexpected, binary_to_list(Status)});
        Other -> exit({recv_status_failed, Other})
    end;
still_wanted(_HsData, _Told) ->
    ok.

%% As dist_util makes them (make_this_flags). A node that this one never heard of is in no global group.
own_flags(unknown) ->
    own_flags(nonode@nohost);
own_flags(Node) ->
    {Own, _Mandatory} = rustls_dist_protocol:own_flags(),
    case net_kernel:publish_on_node(Node) of
        true -> Own bor ?DFLAG_PUBLISHED;
        _ -> Own
    end.

%% A node may have cookies of its own for some nodes (erlang:set_cookie/2).
cookie(unknown) -> auth:get_cookie();
cookie(Node) -> auth:get_cookie(Node).

challenge(#hs_data{this_node = MyNode}, Flags, Challenge) ->
    Name = atom_to_binary(MyNode, latin1),
    [<<$N, Flags:64, Challenge:32, (erts_internal:get_creation()):32, (byte_size(Name)):16>>, Name].

%% What dist_util reads it finds among this process' messages first: the peer's name, then what answers its questions.
replaying(#hs_data{f_recv = Recv, f_send = Send} = HsData, First, Proof) ->
    Ref = make_ref(),
    self() ! {Ref, binary_to_list(First)},
    HsData#hs_data{f_recv = fun(Socket, Length, Timeout) ->
                                    receive
                                        {Ref, Packet} -> {ok, Packet}
                                    after 0 ->
                                        Recv(Socket, Length, Timeout)
                                    end
                            end,
                   f_send = fun(Socket, Packet) ->
                                    case answered(Proof, HsData, iolist_to_binary(Packet)) of
                                        send -> Send(Socket, Packet);
                                        {answer, Answer} -> self() ! {Ref, Answer}, ok;
                                        said -> ok
                                    end
                            end}.

%% What dist_util sends after the proof: what the peer has heard is not said again.
answered(none, _HsData, _Packet) ->
    send;
answered(_Proof, _HsData, <<"sok", _/binary>>) ->
    said;
%% This node's own attempt to that node began meanwhile, and wins. The peer, which would wait for it now, waits for the end of
%% this one: it ends this one when the other has come (net_kernel, remarked).
answered(_Proof, HsData, <<"snok">>) ->
    _ = recv(HsData),
    said;
%% A link that came up meanwhile is one that the peer knows of, and that both keep.
answered(#proof{told = Told}, _HsData, <<"salive">>) ->
    {answer, case Told of
                 alive -> "strue";
                 _ -> "sfalse"
             end};
answered(#proof{cookie = Cookie, challenge = Theirs, flags = Flags}, _HsData, <<$N, Flags:64, Challenge:32, _/binary>>) ->
    {answer, [$r | binary_to_list(<<Theirs:32, (rustls_dist_protocol:digest(Challenge, Cookie))/binary>>)]};
%% With other flags the two ends would not agree on what each can do.
answered(_Proof, _HsData, <<$N, _/binary>>) ->
    exit(connection_setup_failed);
answered(_Proof, _HsData, _Packet) ->
    send.

%% The last packet of dist_util's says that the cookie was right.
counted(#hs_data{f_send = Send} = HsData) ->
    case rustls_dist_nameless:spend() of
        true ->
            HsData#hs_data{f_send = fun(Socket, Packet) ->
                                            _ = is_proven(Packet) andalso rustls_dist_nameless:give_back(),
                                            Send(Socket, Packet)
                                    end};
        false ->
            not_allowed(HsData, rustls_dist_nameless:refusal())
    end.

is_proven([$a | _Digest]) -> true;
is_proven(_Packet) -> false.

send(#hs_data{socket = Socket, f_send = Send}, Packet) ->
    case Send(Socket, Packet) of
        ok -> ok;
        {error, _Noted} -> exit(shutdown)
    end.

recv(#hs_data{socket = Socket, f_recv = Recv}) ->
    case Recv(Socket, 0, infinity) of
        {ok, Packet} -> {ok, list_to_binary(Packet)};
        Error -> Error
    end.
