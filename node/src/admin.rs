//! Admin HTTP: metrics, liveness, readiness and status as JSON.
