# The few verbs people guess. Anything longer than a line lives in Rust or in a script beside what it serves.
SHELL := bash
SECONDS_EACH ?= 60

.DEFAULT_GOAL := help
.PHONY: help demo test check fix bench bench-guard bench-peers cluster cluster-stop fuzz rocksdb

help: ## show this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' Makefile | expand -t 16

demo: rocksdb ## a clerk's day on three local nodes: build, people, questions, a killed leader
	@cluster-configs/dev/demo

test: rocksdb ## every test
	@.ci/test

check: rocksdb ## format, lints, documentation, rules of the house; changes nothing
	@.ci/check

fix: rocksdb ## repair what `check` complains about, as far as tools can
	cargo fmt --all
	cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged

bench-guard: rocksdb ## whether a stage takes more instructions than the figures that are committed (needs valgrind)
	@cargo bench --quiet --locked --workspace --profile dev --bench rooms -- guard

bench: rocksdb ## criterion benches; figures and the load generator are in benches/README.md
	cargo bench -p xacminh-benches --profile dev

bench-peers: rocksdb ## this system beside Redis, Valkey, etcd and PostgreSQL, under 20 minutes on a quiet machine; QUICK=1 for a look
	@benches/peers/run

cluster: rocksdb ## start three local nodes with certificates and people of their own
	@cluster-configs/dev/cluster start

cluster-stop: ## stop them
	@cluster-configs/dev/cluster stop

fuzz: ## fuzz every decoder for SECONDS_EACH seconds (needs a nightly toolchain and cargo-fuzz)
	@for target in $$(cargo +nightly fuzz list --fuzz-dir proto/fuzz); do \
		cargo +nightly fuzz run --fuzz-dir proto/fuzz $$target -- -max_total_time=$(SECONDS_EACH) || exit 1; done

# Machines without a compiler get one; RocksDB is compiled once per machine.
rocksdb:
	@.ci/setup build
	@.ci/rocksdb
