//! `xacminh cluster`: how the nodes are.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use xacminh_proto::wire::Status;

use crate::ClientError;

use super::{
    config::GlobalArgs,
    exit::{CliError, Exit, chain},
    question::{bounded, duration},
    register,
    screen::{Lang, Screen, table},
};

/// Look after a cluster
#[derive(Debug, Args)]
pub(crate) struct ClusterArgs {
    /// How long to wait for each node
    #[arg(long, global = true, value_name = "TIME", value_parser = duration, default_value = "3s")]
    deadline: Duration,
    #[command(subcommand)]
    what: ClusterCommand,
}

#[derive(Debug, Subcommand)]
enum ClusterCommand {
    /// Ask every endpoint how it is; ends with 0 if all are ready, with 5 if one is not or cannot be reached
    Status,
    /// The same as `xacminh register apply`
    ApplyRegister {
        /// The register
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

pub(super) async fn run(global: &GlobalArgs, args: ClusterArgs) -> Result<Exit, CliError> {
    let deadline = bounded(args.deadline)?;
    match args.what {
        ClusterCommand::Status => status(global, deadline).await,
        ClusterCommand::ApplyRegister { file } => register::apply(global, deadline, &file).await,
    }
}

async fn status(global: &GlobalArgs, deadline: Duration) -> Result<Exit, CliError> {
    let client = global.client().await?;
    let statuses = client.status_of_all(deadline).await;
    client.close().await;
    let screen = global.screen();
    if screen.json {
        let nodes: Vec<serde_json::Value> = statuses.iter().map(|(addr, status)| status_json(*addr, status)).collect();
        screen.json(&nodes)?;
    } else {
        show(screen, &statuses)?;
    }
    let ready = statuses.iter().all(|(_, status)| status.as_ref().is_ok_and(|status| status.ready));
    // If nobody answered, the first trouble tells more than that: our certificate may be to blame.
    let answered = statuses.iter().any(|(_, status)| status.is_ok());
    Ok(match statuses.into_iter().next() {
        Some((_, Err(error))) if !answered => CliError::from(error).exit(),
        _ if ready => Exit::Good,
        _ => Exit::Unreached,
    })
}

fn show(screen: Screen, statuses: &[(SocketAddr, Result<Status, ClientError>)]) -> std::io::Result<()> {
    let lang = screen.lang;
    let head = [
        lang.say("địa chỉ", "endpoint"),
        lang.say("nút", "node"),
        lang.say("sẵn sàng", "ready"),
        lang.say("dẫn đầu", "leader"),
        lang.say("nhiệm kỳ", "term"),
        lang.say("đã áp dụng", "applied"),
        lang.say("mục kiểm toán", "leaves"),
        lang.say("danh mục", "register"),
        lang.say("phiên bản", "version"),
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(statuses.iter().map(|(addr, status)| match status {
        Ok(status) => vec![
            addr.to_string(),
            status.node.to_string(),
            if status.ready { lang.say("có", "yes") } else { lang.say("KHÔNG", "NO") }.to_owned(),
            status.leader.map_or_else(|| "-".to_owned(), |leader| leader.to_string()),
            status.term.to_string(),
            status.applied.to_string(),
            status.leaves.to_string(),
            status.register_revision.to_string(),
            status.version.clone(),
        ],
        Err(error) => vec![addr.to_string(), "-".to_owned(), state(error, lang).to_owned()],
    }));
    for line in table(&rows) {
        screen.line(&line)?;
    }
    // Below the table, whose columns a sentence would tear apart.
    for (addr, status) in statuses {
        if let Err(error) = status {
            screen.line(&format!("  {addr} {}: {}", state(error, lang), why(error, lang)))?;
        }
    }
    // The leader alone knows how far the others are.
    let leader = statuses
        .iter()
        .filter_map(|(_, status)| status.as_ref().ok())
        .find(|status| status.leader == Some(status.node));
    for member in leader.iter().flat_map(|leader| &leader.members) {
        let role = if member.voter { lang.say("biểu quyết", "voter") } else { lang.say("học theo", "learner") };
        let matched = member.matched.map_or_else(|| "-".to_owned(), |index| index.to_string());
        screen.line(&format!(
            "  {} {}  {role}  {}  {matched}",
            lang.say("nút", "node"),
            member.node,
            member.client_addr
        ))?;
    }
    Ok(())
}

/// What a node is that gave no status.
fn state(error: &ClientError, lang: Lang) -> &'static str {
    match error {
        ClientError::Unreachable { .. } | ClientError::Unknown { .. } => lang.say("KHÔNG LIÊN LẠC ĐƯỢC", "UNREACHABLE"),
        _ => lang.say("LỖI", "FAILED"),
    }
}

fn why(error: &ClientError, lang: Lang) -> String {
    let hint = lang.say("máy chủ đã dừng, hoặc đường mạng bị chặn", "the node is stopped, or the way to it is closed");
    match error {
        ClientError::Unreachable { last } | ClientError::Unknown { last, .. } => format!("{last} ({hint})"),
        error => chain(error),
    }
}

fn status_json(addr: SocketAddr, status: &Result<Status, ClientError>) -> serde_json::Value {
    match status {
        Ok(status) => serde_json::json!({
            "endpoint": addr.to_string(),
            "cluster": status.cluster,
            "node": status.node,
            "version": status.version,
            "leader": status.leader,
            "term": status.term,
            "applied": status.applied,
            "leaves": status.leaves,
            "register_revision": status.register_revision,
            "ready": status.ready,
            "members": status.members.iter().map(|member| serde_json::json!({
                "node": member.node,
                "client_addr": member.client_addr,
                "voter": member.voter,
                "matched": member.matched,
            })).collect::<Vec<_>>(),
        }),
        Err(error) => serde_json::json!({"endpoint": addr.to_string(), "error": chain(error)}),
    }
}
