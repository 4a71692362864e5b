//! Who may ask what: portals, officials and procedures, declared in TOML and replicated as one revision.
