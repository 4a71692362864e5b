//! Stories of real processes; each tells what must hold when something goes wrong.
//!
//! Run one with its seed: `XACMINH_CHAOS_SEED=7 cargo test -p xacminh-chaos --test chaos -- --exact drain::…`.

mod authority;
mod bad_input;
mod churn;
mod drain;
mod erasure;
mod export;
mod kill_under_load;
mod numbers;
mod operator_mistakes;
mod plaintext;
mod question_path;
mod quorum_loss;
mod snapshots;
mod sweep;
mod tidy;
mod witness;
