//! Where the cluster is and who we are: flags first, then the configuration file.

use std::{
    env,
    io::ErrorKind,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use serde::Deserialize;
use xacminh_proto::transparency::Policy;

use crate::{Client, ClientConfig};

use super::{
    exit::CliError,
    screen::{Lang, Screen},
    trust::{self, LogArgs},
};

/// What stands above the options of every verb in the help, so that those of the verb itself stand alone.
pub(super) const HEADING: &str = "Options of every command";

/// Options of every verb.
#[derive(Debug, Args)]
#[command(next_help_heading = HEADING)]
pub(crate) struct GlobalArgs {
    /// Configuration file [default: $XACMINH_CONFIG, then ~/.config/xacminh/client.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Name of the cluster; its certificates bear it
    #[arg(long, global = true, value_name = "NAME")]
    pub cluster: Option<String>,
    /// Client endpoint of a node, HOST:PORT; may be repeated
    #[arg(long = "endpoint", global = true, value_name = "HOST:PORT")]
    pub endpoints: Vec<String>,
    /// Our certificate chain (PEM)
    #[arg(long, global = true, value_name = "FILE")]
    pub cert: Option<PathBuf>,
    /// Our private key (PEM)
    #[arg(long, global = true, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// CA of the nodes (PEM)
    #[arg(long, global = true, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    #[command(flatten)]
    pub log: LogArgs,
    /// JSON for machines instead of text; docs/FORMATS.md tells its shape
    #[arg(long, global = true)]
    pub json: bool,
    /// Language of texts [default: vi if LANG starts with vi, else en]
    #[arg(long, global = true, value_enum)]
    pub lang: Option<Lang>,
    /// Results and errors only: no remarks, no progress
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

/// The file's content. Paths are relative to the file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    cluster: Option<String>,
    #[serde(default)]
    endpoints: Vec<String>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    ca: Option<PathBuf>,
    /// Policy file of the province's log: receipts of answers must satisfy it.
    log_policy: Option<PathBuf>,
    /// The public keys of the province's log, one a line or one an element, instead of a policy file.
    log_key: Option<Keys>,
}

/// One text, or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Keys {
    One(String),
    Several(Vec<String>),
}

/// Our certificate as files, if there is one.
pub(super) struct OurFiles {
    pub(super) cert: PathBuf,
    pub(super) key: PathBuf,
}

impl GlobalArgs {
    pub(super) fn screen(&self) -> Screen {
        let lang = self.lang.unwrap_or_else(Lang::of_environment);
        Screen::new(lang, self.json, self.quiet)
    }

    /// A client as flags and file say. Needs a tokio runtime around it.
    pub(super) async fn client(&self) -> Result<Client, CliError> {
        Ok(self.client_of(false).await?.0)
    }

    /// Whose signatures command line or configuration file want under checkpoints, receipts and trails, if they say so.
    pub(super) fn log_policy(&self) -> Result<Option<Policy>, CliError> {
        // What the command line says needs no configuration: receipts are verified where there is none.
        match self.log.policy()? {
            Some(policy) => Ok(Some(policy)),
            None => self.file()?.log_policy(),
        }
    }

    /// As [`GlobalArgs::log_policy`], for what is worth nothing without one.
    pub(super) fn trust(&self) -> Result<Policy, CliError> {
        self.log_policy()?.ok_or_else(|| {
            let help = "whom to believe? give --log-key VKEY, the public key of the province's log, or --log-policy FILE, \
                        or set `log_key` or `log_policy` in the configuration file";
            CliError::Usage(help.into())
        })
    }

    /// Our certificate and key, if both are known: the log's web server may ask who reads.
    pub(super) fn our_files(&self) -> Result<Option<OurFiles>, CliError> {
        let file = self.file()?;
        let (cert, key) = (self.cert.clone().or(file.cert), self.key.clone().or(file.key));
        Ok(cert.zip(key).map(|(cert, key)| OurFiles { cert, key }))
    }

    /// As [`GlobalArgs::client`], and the cluster's name; `background` if nobody waits for what its sessions ask.
    pub(super) async fn client_of(&self, background: bool) -> Result<(Client, String), CliError> {
        let log = self.log_policy()?;
        let file = self.file()?;
        let missing =
            |what: &str| CliError::Usage(format!("no {what}: give --{what} or set `{what}` in the configuration file"));
        let cluster = self.cluster.clone().or(file.cluster).ok_or_else(|| missing("cluster"))?;
        let names = if self.endpoints.is_empty() { file.endpoints } else { self.endpoints.clone() };
        if names.is_empty() {
            return Err(CliError::Usage(
                "no endpoint: give --endpoint or set `endpoints` in the configuration file".into(),
            ));
        }
        let cert = self.cert.clone().or(file.cert).ok_or_else(|| missing("cert"))?;
        let key = self.key.clone().or(file.key).ok_or_else(|| missing("key"))?;
        let ca = self.ca.clone().or(file.ca).ok_or_else(|| missing("ca"))?;
        let endpoints = resolve(&names).await?;
        let mut config = ClientConfig::from_files(cluster.clone(), endpoints, &cert, &key, &ca)?;
        config.log = log.map(Arc::new);
        config.background = background;
        Ok((Client::new(config)?, cluster))
    }

    fn file(&self) -> Result<ConfigFile, CliError> {
        if let Some(path) = self.config.clone().or_else(|| env::var_os("XACMINH_CONFIG").map(PathBuf::from)) {
            return read(&path);
        }
        let home = env::var_os("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".config")));
        match home.map(|home| home.join("xacminh/client.toml")) {
            Some(path) if path.exists() => read(&path),
            _ => Ok(ConfigFile::default()),
        }
    }
}

fn read(path: &Path) -> Result<ConfigFile, CliError> {
    let text = std::fs::read_to_string(path).map_err(|error| CliError::file(path, error))?;
    // toml's text names the line and shows the key that is not known.
    let mut file: ConfigFile = toml::from_str(&text).map_err(|error| CliError::file(path, error))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    for named in [&mut file.cert, &mut file.key, &mut file.ca, &mut file.log_policy].into_iter().flatten() {
        *named = folder.join(&*named);
    }
    Ok(file)
}

impl ConfigFile {
    fn log_policy(self) -> Result<Option<Policy>, CliError> {
        match (self.log_key, self.log_policy) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(CliError::Usage("`log_key` or `log_policy`, not both".into())),
            (Some(Keys::One(key)), None) => trust::of_keys("`log_key`", &[key]).map(Some),
            (Some(Keys::Several(keys)), None) => trust::of_keys("`log_key`", &keys).map(Some),
            (None, Some(path)) => trust::of_file(&path).map(Some),
        }
    }
}

/// Host names are resolved once; every address of a name is an endpoint. One name that is not known just now must not keep
/// a client from the others.
async fn resolve(names: &[String]) -> Result<Vec<SocketAddr>, CliError> {
    let (mut endpoints, mut unknown): (Vec<SocketAddr>, _) = (Vec::new(), None);
    for name in names {
        match tokio::net::lookup_host(name).await {
            Ok(found) => {
                for addr in found {
                    if !endpoints.contains(&addr) {
                        endpoints.push(addr);
                    }
                }
            }
            Err(error) if error.kind() == ErrorKind::InvalidInput => {
                return Err(CliError::Usage(format!("endpoint `{name}` is not HOST:PORT: {error}")));
            }
            Err(error) => unknown = Some((name, error)),
        }
    }
    match unknown {
        Some((name, error)) if endpoints.is_empty() => {
            Err(CliError::Usage(format!("endpoint `{name}` has no address: {error}")))
        }
        _ => Ok(endpoints),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by a review: nothing was asked of the nodes whose names are known.
    #[tokio::test]
    async fn a_name_that_is_not_known_keeps_nobody_from_the_others() {
        // RFC 6761, section 6.4: names below `invalid` are known nowhere.
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let found = resolve(&names(&["node-1.invalid:7400", "127.0.0.1:7400", "127.0.0.1:7400"])).await.unwrap();
        assert_eq!(found, ["127.0.0.1:7400".parse().unwrap()]);
        let none = resolve(&names(&["node-1.invalid:7400"])).await.unwrap_err();
        assert!(none.to_string().contains("node-1.invalid:7400"), "{none}");
        assert!(resolve(&names(&["127.0.0.1:7400", "no port"])).await.is_err(), "a mistake is told");
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_name_and_paths_follow_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("client.toml");
        std::fs::write(&path, "cluster = \"da-nang\"\nendpoint = []\n").unwrap();
        let error = read(&path).unwrap_err();
        assert_eq!(error.exit(), super::super::exit::Exit::BadFile);
        assert!(error.to_string().contains("endpoint") && error.to_string().contains("line 2"), "{error}");

        std::fs::write(&path, "cluster = \"da-nang\"\nendpoints = [\"127.0.0.1:1\"]\nca = \"ca.pem\"\n").unwrap();
        let file = read(&path).unwrap();
        assert_eq!(file.ca.unwrap(), folder.path().join("ca.pem"));
    }
}
