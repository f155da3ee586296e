//! One run: a domain, its authority and members, and the checks at one broker.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::args::RunArgs;
use crate::checks::{CAST, Check, STORM};
use crate::domain::Domain;
use crate::failed::Failed;
use crate::mqtt::{Client, Happening, Link, Session};
use crate::report::{self, Line, Verdict};
use crate::stage::{Kind, Stage};

/// How long the broker may take to accept a plain client.
const ANSWER: Duration = Duration::from_secs(10);

/// Whether every cell is green, or a limit of the broker's.
pub(crate) fn start(args: &RunArgs) -> Result<bool, Failed> {
    let checks = chosen(&args.only)?;
    // For rumqttc alone; sealmq names its own.
    let provider = tokio_rustls::rustls::crypto::ring::default_provider();
    let _another_is_there = provider.install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(Failed::at("the runtime"))?;
    let lines = runtime.block_on(play(args, &checks))?;
    if let Some(path) = &args.tsv {
        report::write(path, &lines)?;
    }
    Ok(lines
        .iter()
        .all(|line| matches!(line.verdict, Verdict::Ok | Verdict::Limit)))
}

fn chosen(only: &[String]) -> Result<Vec<Check>, Failed> {
    if only.is_empty() {
        return Ok(Check::ALL.to_vec());
    }
    let find = |name: &String| {
        let found = Check::ALL.into_iter().find(|check| check.name() == name);
        found.ok_or_else(|| Failed::new(format_args!("no check is called {name}: see `checks`")))
    };
    only.iter().map(find).collect()
}

async fn play(args: &RunArgs, checks: &[Check]) -> Result<Vec<Line>, Failed> {
    let mut lines = Vec::new();
    let mut tell = |check: &str, verdict: Verdict, time: Duration, note: String| {
        let line = Line {
            broker: args.name.clone(),
            version: args.connection.version.name().to_owned(),
            check: check.to_owned(),
            verdict,
            milliseconds: u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
            note,
        };
        println!("{}", line.show());
        lines.push(line);
    };
    let link = Link::new(&args.connection)?;
    let run = Run {
        link: &link,
        args,
        token: random()?,
    };
    let start = Instant::now();
    // Everything else rests on it.
    if let Err((verdict, Failed(reason))) = run.accepted().await {
        tell("connect", verdict, start.elapsed(), reason);
        return Ok(lines);
    }
    tell("connect", Verdict::Ok, start.elapsed(), String::new());
    if args.plain {
        for check in checks.iter().filter(|check| !check.is_about_keys()) {
            let start = Instant::now();
            let (verdict, note) = match run.with(None, *check, Kind::Plain).await {
                Ok(note) => (Verdict::Ok, note.unwrap_or_default()),
                Err(Failed(reason)) => (Verdict::Limit, reason),
            };
            tell(check.name(), verdict, start.elapsed(), note);
        }
        run.tidy_up().await;
        return Ok(lines);
    }
    let start = Instant::now();
    let mut domain = run.domain().await?;
    if let Err(Failed(reason)) = domain.start_authority().await {
        tell("authority", Verdict::Failed, start.elapsed(), reason);
        for check in checks {
            let note = "the authority does not run".to_owned();
            tell(check.name(), Verdict::Skipped, Duration::ZERO, note);
        }
        return Ok(lines);
    }
    tell("authority", Verdict::Ok, start.elapsed(), String::new());
    for check in checks {
        let start = Instant::now();
        let (verdict, note) = run.one(&domain, *check).await;
        tell(check.name(), verdict, start.elapsed(), note);
    }
    domain.stop_authority().await;
    run.tidy_up().await;
    Ok(lines)
}

struct Run<'a> {
    link: &'a Link,
    args: &'a RunArgs,
    /// Keeps topics and client identifiers of runs apart.
    token: String,
}

impl Run<'_> {
    fn base(&self, kind: Kind) -> String {
        let level = match kind {
            Kind::Sealed => "s",
            Kind::Plain => "p",
        };
        format!("{}-{}/{level}", self.args.topic, self.token)
    }

    fn id(&self) -> String {
        format!("{}{}", self.args.connection.id, self.token)
    }

    /// Whether the broker speaks this version of MQTT, and lets this client in.
    async fn accepted(&self) -> Result<(), (Verdict, Failed)> {
        let Err(Failed(reason)) = self.connects(self.link).await else {
            return Ok(());
        };
        // Brokers of one version meet the other one in many ways.
        let other = Link {
            version: self.link.version.other(),
            ..self.link.clone()
        };
        Err(match self.connects(&other).await {
            Ok(()) => {
                let spoken = other.version.name();
                let text = format!("the broker speaks MQTT {spoken} only ({reason})");
                (Verdict::Limit, Failed::new(text))
            }
            Err(_) => (Verdict::Failed, Failed::new(reason)),
        })
    }

    /// Without sealmq.
    async fn connects(&self, link: &Link) -> Result<(), Failed> {
        let session = Session {
            id: format!("{}first", self.id()),
            kept: false,
            will: None,
        };
        let mut client = Client::plain(link, &session)?;
        let answer = timeout(ANSWER, client.happenings.recv()).await;
        match answer {
            Ok(Some(Happening::Connected(_))) => {
                client.leave().await;
                Ok(())
            }
            Ok(Some(Happening::OtherVersion)) => Err(Failed::new("it says so")),
            Ok(Some(Happening::Ended(reason) | Happening::Trouble(reason))) => {
                Err(Failed::new(reason))
            }
            _ => Err(Failed::new("no answer")),
        }
    }

    async fn domain(&self) -> Result<Domain, Failed> {
        let program = match &self.args.sealmq {
            Some(path) => path.canonicalize().map_err(Failed::at("--sealmq"))?,
            None => beside()?,
        };
        let filter = format!("{}/#", self.base(Kind::Sealed));
        let domain = Domain::new(program, &self.args.connection, &filter).await?;
        let storm = (0..STORM).map(crate::checks::storm_name);
        for name in CAST.into_iter().map(str::to_owned).chain(storm) {
            domain.enrol(&name).await?;
        }
        Ok(domain)
    }

    /// With sealmq; if that fails, without it.
    async fn one(&self, domain: &Domain, check: Check) -> (Verdict, String) {
        let failed = match self.with(Some(domain), check, Kind::Sealed).await {
            Ok(note) => return (Verdict::Ok, note.unwrap_or_default()),
            Err(Failed(reason)) => reason,
        };
        if let Some(plain) = check.rests_on()
            && let Err(Failed(reason)) = self.with(None, plain, Kind::Plain).await
        {
            return (Verdict::Limit, format!("without sealmq, too: {reason}"));
        }
        // Keys are asked for like this.
        let keys = Check::RetainedWildcard;
        if let Err(Failed(reason)) = self.with(None, keys, Kind::Plain).await {
            let text =
                format!("keys do not come; without sealmq, retained values neither: {reason}");
            return (Verdict::Limit, text);
        }
        let complaint = domain.complaints().unwrap_or_default();
        (
            Verdict::Failed,
            format!("{failed} {complaint}").trim_end().to_owned(),
        )
    }

    async fn with(
        &self,
        domain: Option<&Domain>,
        check: Check,
        kind: Kind,
    ) -> Result<Option<String>, Failed> {
        let stage = Stage {
            domain,
            link: self.link,
            kind,
            id: self.id(),
            base: format!("{}/{}", self.base(kind), check.name()),
            large: self.args.large,
        };
        let within = self.args.within();
        let played = timeout(within, check.play(&stage)).await;
        played.unwrap_or_else(|_| Err(Failed::new(format_args!("no end within {within:?}"))))
    }

    /// Takes what the run has retained off the broker.
    async fn tidy_up(&self) {
        let session = Session {
            id: format!("{}last", self.id()),
            kept: false,
            will: None,
        };
        let Ok(mut client) = Client::plain(self.link, &session) else {
            return;
        };
        // What is not there any more needs no tidying up; nor does what the broker does not say.
        let filters = [format!("{}-{}/#", self.args.topic, self.token)];
        for filter in &filters {
            let _refused = client.subscribe(filter, 1).await;
        }
        while let Ok(Some(happening)) =
            timeout(Duration::from_millis(500), client.happenings.recv()).await
        {
            if let Happening::Message(message) = happening
                && message.retained
            {
                let _gone = client.publish(&message.topic, 1, true, Vec::new()).await;
            }
        }
        let _acknowledged = timeout(Duration::from_secs(2), client.flush()).await;
        client.leave().await;
    }
}

/// The program that was built with this one.
fn beside() -> Result<PathBuf, Failed> {
    let own = std::env::current_exe().map_err(Failed::at("this program's path"))?;
    let program = own.with_file_name("sealmq");
    if program.is_file() {
        return Ok(program);
    }
    Err(Failed::new(format_args!(
        "{} is not there: build it (cargo build -p sealmq-cli), or give --sealmq",
        program.display()
    )))
}

fn random() -> Result<String, Failed> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(Failed::at("random numbers"))?;
    Ok(hex::encode(bytes))
}
