//! A domain, made and run by the `sealmq` program, as a user would.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use sealmq_store::{FileStore, StoreRole, Unlock, Vault};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::args::Connection;
use crate::failed::Failed;
use crate::stage::all_of;

/// The group that covers the topics of the checks.
pub(crate) const GROUP: &str = "plant";
/// Earlier keys of state that the group's later members get.
const KEPT: &str = "4";
const KEY_FILE: &str = "stores.key";
const LOG: &str = "authority.log";
/// How long a command, the authority's start, or a store that another user still has may take.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Domain {
    folder: TempDir,
    program: PathBuf,
    /// Options of commands with a connection.
    connection: Vec<String>,
    password: Option<String>,
    /// Ends when this is dropped.
    authority: Option<Child>,
}

impl Domain {
    /// With one group for a filter.
    pub(crate) async fn new(
        program: PathBuf,
        connection: &Connection,
        filter: &str,
    ) -> Result<Self, Failed> {
        let folder = tempfile::tempdir().map_err(Failed::at("a temporary folder"))?;
        let domain = Self {
            folder,
            program,
            connection: options(connection)?,
            password: connection.password.clone(),
            authority: None,
        };
        domain.run(&["init"]).await?;
        domain
            .run(&[
                "group",
                "add",
                GROUP,
                "--topic",
                filter,
                "--coalesce",
                "0s",
                "--kept",
                KEPT,
            ])
            .await?;
        Ok(domain)
    }

    /// Standard output of a command that has to succeed.
    pub(crate) async fn run(&self, args: &[&str]) -> Result<String, Failed> {
        let what = format!(
            "sealmq {}",
            args.iter().take(2).copied().collect::<Vec<_>>().join(" ")
        );
        self.output(self.command(args), &what).await
    }

    /// The same with the options of the connection.
    pub(crate) async fn run_connected(
        &self,
        args: &[&str],
        token: Option<&str>,
    ) -> Result<String, Failed> {
        let what = format!(
            "sealmq {}",
            args.iter().take(1).copied().collect::<String>()
        );
        let mut command = self.command(args);
        command.args(&self.connection);
        if let Some(token) = token {
            command.env("SEALMQ_JOIN_TOKEN", token);
        }
        self.output(command, &what).await
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(args)
            .current_dir(self.folder.path())
            .env("SEALMQ_KEY_FILE", KEY_FILE)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        if let Some(password) = &self.password {
            command.env("SEALMQ_MQTT_PASSWORD", password);
        }
        command
    }

    async fn output(&self, mut command: Command, what: &str) -> Result<String, Failed> {
        let output = timeout(PATIENCE, command.output()).await;
        let output = output
            .map_err(|_| Failed::new(format_args!("{what}: no end within {PATIENCE:?}")))?
            .map_err(Failed::at(&self.program.display().to_string()))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout)
                .trim_end()
                .to_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().last().unwrap_or("no reason given");
        Err(Failed::new(format_args!("{what}: {last}")))
    }

    /// Enrols members that may publish and read, by files.
    pub(crate) async fn enrol(&self, names: &[String]) -> Result<(), Failed> {
        all_of(names.iter().map(|name| self.request(name))).await?;
        // The authority's store is for one process at a time.
        for name in names {
            self.add(name).await?;
        }
        all_of(names.iter().map(|name| self.install(name))).await?;
        Ok(())
    }

    async fn request(&self, name: &str) -> Result<(), Failed> {
        let file = request(name);
        self.run(&["member", "request", name, "--dir", name, "-o", &file])
            .await?;
        Ok(())
    }

    async fn add(&self, name: &str) -> Result<(), Failed> {
        let (request, credential) = (request(name), credential(name));
        let add = ["member", "add", &request, "-o", &credential];
        let both = ["--publish", GROUP, "--subscribe", GROUP];
        self.run(&[&add[..], &both].concat()).await?;
        Ok(())
    }

    async fn install(&self, name: &str) -> Result<(), Failed> {
        let file = credential(name);
        self.run(&["member", "install", &file, "--dir", name])
            .await?;
        Ok(())
    }

    /// Another process of a member would have a copy of its store. Neither may be open.
    pub(crate) fn copy(&self, name: &str, copy: &str) -> Result<(), Failed> {
        let [from, to] = [name, copy].map(|name| self.folder.path().join(name));
        let copied = || -> std::io::Result<()> {
            fs::create_dir(&to)?;
            for entry in fs::read_dir(&from)? {
                let entry = entry?;
                fs::copy(entry.path(), to.join(entry.file_name()))?;
            }
            Ok(())
        };
        copied().map_err(Failed::at("the copy of a store"))
    }

    /// The store of a member.
    pub(crate) async fn store(&self, name: &str) -> Result<FileStore, Failed> {
        let path = self.folder.path().join(name);
        let key = Unlock::KeyFile(self.folder.path().join(KEY_FILE));
        // Who had it before may still be closing it.
        let open = move || {
            let vault = Vault::unlock_wait(&path, StoreRole::Member, &key, PATIENCE)?;
            vault.open_wait(PATIENCE)
        };
        let opened = tokio::task::spawn_blocking(open).await;
        opened
            .map_err(Failed::at("the store's thread"))?
            .map_err(Failed::at("the member's store"))
    }

    /// `sealmq authority run`, until the broker has everything.
    pub(crate) async fn start_authority(&mut self) -> Result<(), Failed> {
        let path = self.folder.path().join(LOG);
        let log = fs::File::create(&path).map_err(Failed::at("the authority's log"))?;
        let errors = log.try_clone().map_err(Failed::at("the authority's log"))?;
        let mut command = self.command(&["authority", "run"]);
        command.args(&self.connection).stdout(log).stderr(errors);
        let child = command
            .spawn()
            .map_err(Failed::at("sealmq authority run"))?;
        let child = self.authority.insert(child);
        let ready = async {
            while !read(&path).contains("the broker has all") {
                let ended = child
                    .try_wait()
                    .map_err(Failed::at("sealmq authority run"))?;
                if ended.is_some() {
                    let said = read(&path);
                    let last = said.lines().last().unwrap_or("no reason given");
                    return Err(Failed::new(format_args!("sealmq authority run: {last}")));
                }
                sleep(Duration::from_millis(20)).await;
            }
            Ok(())
        };
        timeout(PATIENCE, ready).await.unwrap_or_else(|_| {
            let said = read(&path);
            let last = said.lines().last().unwrap_or("nothing said");
            Err(Failed::new(format_args!(
                "sealmq authority run is not ready within {PATIENCE:?}: {last}"
            )))
        })
    }

    pub(crate) async fn stop_authority(&mut self) {
        if let Some(mut child) = self.authority.take() {
            let _ended = child.kill().await;
        }
    }

    /// What the authority said that may be why something did not work.
    pub(crate) fn complaints(&self) -> Option<String> {
        let said = read(&self.folder.path().join(LOG));
        let complaint = said
            .lines()
            .rfind(|line| line.contains("WARN") || line.contains("ERROR"));
        complaint.map(str::to_owned)
    }
}

fn request(name: &str) -> String {
    format!("{name}.req")
}

fn credential(name: &str) -> String {
    format!("{name}.cred")
}

fn read(path: &Path) -> String {
    fs::read(path).map_or_else(
        |_| String::new(),
        |bytes| String::from_utf8_lossy(&bytes).into_owned(),
    )
}

/// In the program's words. Paths are made whole, because it runs in a folder of its own.
fn options(connection: &Connection) -> Result<Vec<String>, Failed> {
    let mut options = vec![
        "-h".to_owned(),
        connection.host.clone(),
        "-p".to_owned(),
        connection.port.to_string(),
        "-V".to_owned(),
        connection.version.option().to_owned(),
    ];
    if let Some(user) = &connection.username {
        options.extend(["-u".to_owned(), user.clone()]);
    }
    if let Some(protocol) = &connection.tls_alpn {
        options.extend(["--tls-alpn".to_owned(), protocol.clone()]);
    }
    if connection.ws {
        let path = connection.ws_path.clone();
        options.extend(["--ws".to_owned(), "--ws-path".to_owned(), path]);
    }
    let files = [
        ("--cafile", &connection.cafile),
        ("--cert", &connection.cert),
        ("--key", &connection.key),
    ];
    for (option, path) in files {
        if let Some(path) = path {
            let path = path.canonicalize();
            let path = path.map_err(Failed::at(option))?;
            options.extend([option.to_owned(), path.display().to_string()]);
        }
    }
    Ok(options)
}
