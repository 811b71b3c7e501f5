//! Which crypto provider runs.

use rustler::{Atom, Env, NifResult};

#[rustler::nif]
fn provider(env: Env<'_>) -> NifResult<Atom> {
    Atom::from_str(env, rustls_dist::provider::NAME)
}
