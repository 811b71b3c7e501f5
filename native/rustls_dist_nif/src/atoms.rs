//! The atoms that cross the bridge.

rustler::atoms! {
    ok,
    error,
    none,
    any,
    client,
    server,
    verify_none,
    verify_peer,

    // handshake results
    handshake_step = "rustls_dist_handshake",
    verify_question = "rustls_dist_verify",
    go_on = "continue",
    done,
    failed,
    busy,
    overloaded,

    // record events
    more,
    key_update_requested,
    renegotiation_requested,
    close_notify,
    alert,

    // options
    certfile,
    keyfile,
    password,
    cacertfile,
    verify,
    fail_if_no_peer_cert,
    depth,
    versions,
    ciphers,
    key_update_at,
    judged_by,
    webpki,
    referee,
    by_referee,
    identities,
    cacerts,
    common_name_fallback,

    // facts
    version,
    cipher,
    group,
    peer,
    peer_der,
    own,
    names,
    free,
    constrained,
    subject,
    serial,
    issuer,
    dns_names,
    ip_addresses,
    common_names,
    usages,
    digital_signature,
    server_auth,
    client_auth,
    not_before,
    not_after,

    // errors
    kind,
    option,
    text,
    received,

    // counters
    configs,
    handshakes,
    senders,
    receivers,
    key_updates,
}
