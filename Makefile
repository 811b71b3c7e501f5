# Every command a person needs. `make` alone builds; `make demo` shows two nodes talking; `make test` tests.

# The recipes are for any POSIX shell and GNU make, since whoever uses rustls_dist compiles it with them; the scripts in .ci
# and bench, which test it, are for bash.

# rustup puts cargo here, and a shell started before rustup ran does not know it yet.
export PATH := $(PATH):$(HOME)/.cargo/bin
# The Rust output stays inside _build, so that `make clean` and a dependency's folder know one place only; who sets
# the variable in the environment means it.
CARGO_TARGET_DIR ?= $(CURDIR)/_build/cargo
export CARGO_TARGET_DIR

# The crypto provider: ring, aws_lc_rs (AWS-LC, which takes a C compiler), or aws_lc_rs_fips (its FIPS module, which takes Go and
# CMake as well). rebar3's hook inherits it.
RUSTLS_DIST_PROVIDER ?= ring
PROVIDERS := ring aws_lc_rs aws_lc_rs_fips
FEATURES := --no-default-features --features $(RUSTLS_DIST_PROVIDER)

NIF := priv/rustls_dist_nif.so
COMMAND := priv/rustls-dist
ifeq ($(shell uname -s),Darwin)
BUILT := $(CARGO_TARGET_DIR)/release/librustls_dist_nif.dylib
else
BUILT := $(CARGO_TARGET_DIR)/release/librustls_dist_nif.so
endif

# Prints something when the header is there.
FIND_HEADER := erl -noinput -boot start_clean -eval 'Dir = code:lib_dir(public_key), \
    is_list(Dir) andalso filelib:is_regular(Dir ++ "/include/public_key.hrl") andalso io:put_chars("found"), halt().'

.PHONY: all nif package demo test test-slow test-aws-lc-rs test-otp27 test-otp29 soak examples check bench bench-quick \
        bench-charts bench-programs bench-bundle bench-rust callgrind bogo bogo-write fuzz hostile hostile-peer coverage coverage-rust sanitizers \
        leaks unsafe-count matrix options operations architecture clean

# Leaves the application at _build/default/lib/rustls_dist/{ebin,priv}; rebar3 calls the nif target below.
all:
	@if command -v bash >/dev/null; then .ci/install-packages build; fi
	rebar3 compile

# A running node has the library mapped: a new file is moved into place, the old one is never written to,
# and an unchanged one is left alone.
# rebar3 leaves .appup files behind, but tells its hook where this application is built: as the project itself or a
# dependency, in _checkouts, or for Mix.
nif:
	$(if $(shell command -v cargo),,$(error rustls_dist is compiled with cargo, which is not on the PATH: install Rust \
	    from https://rustup.rs))
	$(if $(shell $(FIND_HEADER)),,$(error rustls_dist is compiled with the header public_key/include/public_key.hrl, \
	    which this Erlang lacks: install it (Debian: apt-get install erlang-dev)))
	$(if $(filter $(RUSTLS_DIST_PROVIDER),$(PROVIDERS)),,$(error RUSTLS_DIST_PROVIDER is "$(RUSTLS_DIST_PROVIDER)", and has to be \
	    one of: $(PROVIDERS)))
	cargo build --release --package rustls_dist_nif $(FEATURES)
	@[ -f $(BUILT) ] || { echo "cargo left no $(BUILT). With musl it makes shared libraries only if RUSTFLAGS has" \
	    "'-C target-feature=-crt-static', which .cargo/config.toml says unless RUSTFLAGS is set" >&2; exit 1; }
	@mkdir -p $(dir $(NIF))
	@for app in "$$REBAR_DEPS_DIR/rustls_dist" "$$REBAR_CHECKOUTS_OUT_DIR/rustls_dist" "$$REBAR_BARE_COMPILER_OUTPUT_DIR"; do \
	    [ ! -d "$$app" ] || { mkdir -p "$$app/ebin" && cp erl_src/rustls_dist.appup "$$app/ebin/"; } || exit; \
	done
	@cmp -s $(BUILT) $(NIF) || { cp $(BUILT) $(NIF).$$$$ && mv -f $(NIF).$$$$ $(NIF); }
	@cp erl_src/command/rustls-dist $(COMMAND).$$$$ && chmod 755 $(COMMAND).$$$$ && mv -f $(COMMAND).$$$$ $(COMMAND)

# The library of this system alone, as an archive named by version and target, and its SHA-256: what a release publishes.
# Beams are not in it: they are compiled by the Erlang that runs them.
package: nif
	@target=$$(rustc -vV | sed -n 's/^host: //p'); version=$$(sed -n 's/.*{vsn, *"\(.*\)"}.*/\1/p' erl_src/rustls_dist.app.src); \
	    name=rustls_dist-$$version-$$target.tar.gz; mkdir -p _build/package && cd _build/package && \
	    tar -czf $$name -C ../.. $(NIF) LICENSE && \
	    { sha256sum $$name 2>/dev/null || shasum -a 256 $$name; } >$$name.sha256 && cat $$name.sha256

demo:
	@.ci/install-packages demo
	@$(MAKE) --no-print-directory all
	@examples/demo/run

# SUITE=name_SUITE, and with it CASE=name, runs just that. RUSTLS_DIST_TEST_JOBS=1 runs suites one after the other.
test:
	@.ci/install-packages test
	@$(MAKE) --no-print-directory all
	@.ci/test fast

test-slow:
	@.ci/install-packages test
	@$(MAKE) --no-print-directory all hostile-peer
	@.ci/test slow

# The fast suites and the Rust tests with AWS-LC, beside what the other targets built and tested.
test-aws-lc-rs:
	@.ci/install-packages test
	@$(MAKE) --no-print-directory all
	@.ci/test-provider aws_lc_rs

# So many minutes of everything that happens to a cluster in a long time; what its nodes held is printed and drawn. `make
# test-slow' has a few of them.
MINUTES ?= 5
SOAK := $(CURDIR)/_build/soak
soak:
	@.ci/install-packages test
	@$(MAKE) --no-print-directory all bench-programs
	@mkdir -p $(SOAK)
	@SUITE=rustls_dist_endurance_SUITE RUSTLS_DIST_SOAK_MINUTES=$(MINUTES) RUSTLS_DIST_SOAK_FIGURES=$(SOAK)/figures.csv \
	    .ci/test slow soak
	@$(CARGO_TARGET_DIR)/release/examples/charts soak $(SOAK)/figures.csv $(SOAK)/soak.svg
	@echo "the chart is $(SOAK)/soak.svg"

test-otp27 test-otp29: test-otp%:
	@.ci/install-packages otp
	@$(MAKE) --no-print-directory all hostile-peer
	@.ci/otp $*

# The program that rustls_dist_hostile_SUITE drives.
hostile-peer:
	@cargo build --quiet $(FEATURES) --example hostile_peer

# EXAMPLE=name runs just that.
examples:
	@.ci/install-packages examples
	@$(MAKE) --no-print-directory all
	@.ci/examples

check:
	@.ci/install-packages check
	@$(MAKE) --no-print-directory all
	@.ci/check

# Compares carriers on every OTP release present, up to twelve minutes each, and writes doc/performance.md. BENCH_OTP=25, 27
# or 29, or several, measures those alone; BENCH_ROUNDS=3 has fewer runs of each figure.
bench:
	@.ci/install-packages bench
	@$(MAKE) --no-print-directory all bench-programs
	@bench/run full
	@$(MAKE) --no-print-directory bench-charts

# A few of the figures, within two minutes.
bench-quick:
	@.ci/install-packages bench
	@$(MAKE) --no-print-directory all bench-programs
	@bench/run quick

# One archive that measures on any machine with the C library of this one, or between two; installs nothing there.
bench-bundle:
	@.ci/install-packages bench-bundle
	@$(MAKE) --no-print-directory all bench-programs
	@bench/bundle

# The charts and tables of doc/performance.md, from what the last `make bench` left.
bench-charts: bench-programs
	@$(CARGO_TARGET_DIR)/release/examples/charts _build/bench doc/performance.md doc/performance

bench-programs:
	cargo build --release $(FEATURES) --example charts --example floor
	@mkdir -p _build/bench && cp $(CARGO_TARGET_DIR)/release/examples/floor _build/bench/floor

# What Rust alone costs, without the VM.
bench-rust:
	@.ci/install-packages build
	cargo bench --package rustls_dist $(FEATURES)

# Instructions of sealing and opening against the recorded ones; `.ci/callgrind record` records them.
callgrind:
	@.ci/install-packages callgrind
	@.ci/callgrind

# Ten minutes for each target, as many side by side as there are cores; FUZZ_SECONDS=60 makes it shorter, and
# FUZZ_TARGETS="packets chain" does those alone. `.ci/fuzz keep` puts what was found into test/fuzz/corpus.
fuzz:
	@.ci/install-packages fuzz
	@.ci/fuzz $(FUZZ_TARGETS)

# The lines of src/ that the Rust tests and the fast suites reach, or the Rust tests alone.
coverage coverage-rust: coverage%:
	@.ci/install-packages coverage
	@$(MAKE) --no-print-directory all
	@.ci/coverage $(if $*,rust,all)

# The Rust tests under AddressSanitizer with LeakSanitizer, ThreadSanitizer and Miri, as far as each can run them.
sanitizers:
	@.ci/install-packages sanitizers
	@.ci/sanitizers

# Memory that the library loses in a VM, as valgrind sees it.
leaks:
	@.ci/install-packages leaks
	@$(MAKE) --no-print-directory all
	@.ci/leaks

# The table of doc/security.md that counts `unsafe` in the crates that the library is made of.
unsafe-count:
	@.ci/unsafe-count

# BoringSSL's test cases, played against the library; doc/protocol.md has the outcome, `make bogo-write' writes it there.
bogo:
	@.ci/install-packages bogo
	@.ci/bogo

bogo-write:
	@.ci/install-packages bogo
	@.ci/bogo write

# The table of doc/security.md about hostile peers, from a run against real nodes at the size that it states; some minutes.
hostile: all hostile-peer
	@rm -rf _build/figures && mkdir -p _build/figures
	@RUSTLS_DIST_FIGURES=$(CURDIR)/_build/figures RUSTLS_DIST_HOSTILE=full SUITE=rustls_dist_hostile_SUITE .ci/test slow
	@RUSTLS_DIST_FIGURES=$(CURDIR)/_build/figures erl -noshell -pa _build/otp/test -s rustls_dist_hostile_page write -s init stop

# The tables of doc/options.md about options that are not acted upon.
options: all
	@mkdir -p _build/matrix
	@erlc -o _build/matrix test/support/rustls_dist_option_tables.erl
	@erl -noshell -pa _build/matrix _build/default/lib/rustls_dist/ebin -s rustls_dist_option_tables print -s init stop

# The pictures of doc/architecture.md that show which room uses which, from the code; `make check' fails when they are stale.
architecture: all
	@.ci/architecture write _build/default/lib/rustls_dist/ebin

# The table of what is refused, from the test's own data, as doc/verification.md shows it.
matrix:
	@mkdir -p _build/matrix
	@erlc -o _build/matrix test/support/rustls_dist_matrix.erl
	@erl -noshell -pa _build/matrix -s rustls_dist_matrix print -s init stop

# What the command says, from the command itself and from the tests' own data, as doc/command.md and doc/operations.md show it.
operations: all
	@mkdir -p _build/matrix
	@erlc -pa _build/default/lib/rustls_dist/ebin -o _build/matrix test/support/rustls_dist_certs.erl \
	    test/support/rustls_dist_broken_setups.erl test/support/rustls_dist_incidents.erl \
	    test/support/rustls_dist_rust_incidents.erl test/support/rustls_dist_command_pages.erl
	@erl -noshell -pa _build/matrix _build/default/lib/rustls_dist/ebin -kernel logger_level none \
	    -s rustls_dist_command_pages write -s init stop

clean:
	rm -rf _build target $(NIF) $(COMMAND)
