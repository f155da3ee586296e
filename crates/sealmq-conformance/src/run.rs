//! One run: a domain, its authority and members, and the checks at one broker.

use std::cell::{OnceCell, RefCell};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::args::RunArgs;
use crate::checks::{CAST, Check, Lane, SLOW_CAST, STORM};
use crate::domain::Domain;
use crate::failed::Failed;
use crate::mqtt::{Client, Extra, Happening, Link, Retained, Session};
use crate::report::{self, Line, Verdict};
use crate::stage::{Kind, Stage};

/// How long the broker may take to accept a plain client.
const ANSWER: Duration = Duration::from_secs(10);
/// Behind the names of members of the slow lane.
const SLOW: &str = "2";

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
    let fine = |line: &Line| matches!(line.verdict, Verdict::Ok | Verdict::Limit | Verdict::None);
    Ok(lines.iter().all(fine))
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
    let link = Link::new(&args.connection)?;
    let run = Run {
        link: &link,
        args,
        token: random()?,
        lines: RefCell::default(),
        no_keys: OnceCell::new(),
    };
    let start = Instant::now();
    // Everything else rests on it.
    match run.accepted().await {
        Ok(()) => run.tell("connect", Verdict::Ok, start, String::new()),
        Err((verdict, Failed(reason))) => run.tell("connect", verdict, start, reason),
    }
    if run.is_well() {
        match args.plain {
            true => run.plainly(checks).await,
            false => run.sealed(checks).await?,
        }
        run.tidy_up().await;
    }
    let mut lines = run.lines.into_inner();
    // Lanes end as they like; the table has an order.
    let place = |line: &Line| {
        Check::ALL
            .iter()
            .position(|check| check.name() == line.check)
    };
    lines.sort_by_key(place);
    Ok(lines)
}

struct Run<'a> {
    link: &'a Link,
    args: &'a RunArgs,
    /// Keeps topics and client identifiers of runs apart.
    token: String,
    /// What came of the checks.
    lines: RefCell<Vec<Line>>,
    /// Why no keys come through this broker, once that is known.
    no_keys: OnceCell<String>,
}

impl Run<'_> {
    fn tell(&self, check: &str, verdict: Verdict, start: Instant, note: String) {
        let milliseconds = start.elapsed().as_millis();
        let line = Line {
            broker: self.args.name.clone(),
            version: self.args.connection.version.name().to_owned(),
            check: check.to_owned(),
            verdict,
            milliseconds: u64::try_from(milliseconds).unwrap_or(u64::MAX),
            note,
        };
        println!("{}", line.show());
        self.lines.borrow_mut().push(line);
    }

    fn is_well(&self) -> bool {
        let lines = self.lines.borrow();
        lines.iter().all(|line| line.verdict == Verdict::Ok)
    }

    /// Without sealmq.
    async fn plainly(&self, checks: &[Check]) {
        let version = self.args.connection.version;
        for check in checks {
            if check.plain(version) != Some(*check) || self.passes(*check) {
                continue;
            }
            let start = Instant::now();
            let (verdict, note) = match self.with(None, *check, Kind::Plain).await {
                Ok(note) => (Verdict::Ok, note.unwrap_or_default()),
                Err(Failed(reason)) => (Verdict::Limit, reason),
            };
            self.tell(check.name(), verdict, start, note);
        }
    }

    async fn sealed(&self, checks: &[Check]) -> Result<(), Failed> {
        let start = Instant::now();
        let mut domain = self.domain().await?;
        if let Err(Failed(reason)) = domain.start_authority().await {
            self.tell("authority", Verdict::Failed, start, reason);
            for check in checks {
                let note = "the authority does not run".to_owned();
                self.tell(check.name(), Verdict::Skipped, Instant::now(), note);
            }
            return Ok(());
        }
        self.tell("authority", Verdict::Ok, start, String::new());
        let lane = |lane| self.lane(&domain, checks, lane);
        // Commands are the main lane's: the authority's store is for one process at a time.
        tokio::join!(lane(Lane::Main), lane(Lane::Slow));
        lane(Lane::Last).await;
        domain.stop_authority().await;
        Ok(())
    }

    /// One check after the other.
    async fn lane(&self, domain: &Domain, checks: &[Check], lane: Lane) {
        for check in checks.iter().filter(|check| check.lane() == lane) {
            if self.passes(*check) {
                continue;
            }
            let start = Instant::now();
            let (verdict, note) = self.one(domain, *check).await;
            self.tell(check.name(), verdict, start, note);
        }
    }

    /// Whether a check has no meaning here; then that is said.
    fn passes(&self, check: Check) -> bool {
        let (version, restart) = (self.args.connection.version, self.args.restart.is_some());
        let missing = check.missing(version, restart, self.link.is_here());
        if let Some(reason) = missing {
            self.tell(
                check.name(),
                Verdict::None,
                Instant::now(),
                reason.to_owned(),
            );
        }
        missing.is_some()
    }

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
            id: Some(format!("{}first", self.id())),
            ..Session::default()
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
        let slow = SLOW_CAST.map(|name| format!("{name}{SLOW}"));
        let cast = CAST.map(str::to_owned).into_iter().chain(slow).chain(storm);
        let cast: Vec<_> = cast.collect();
        domain.enrol(&cast).await?;
        Ok(domain)
    }

    /// With sealmq; if that fails, without it.
    async fn one(&self, domain: &Domain, check: Check) -> (Verdict, String) {
        if let Some(reason) = self.no_keys.get() {
            return (Verdict::Limit, reason.clone());
        }
        let failed = match self.with(Some(domain), check, Kind::Sealed).await {
            Ok(note) => return (Verdict::Ok, note.unwrap_or_default()),
            Err(Failed(reason)) => reason,
        };
        if let Some(plain) = check.plain(self.args.connection.version)
            && let Err(Failed(reason)) = self.with(None, plain, Kind::Plain).await
        {
            return (Verdict::Limit, format!("without sealmq, too: {reason}"));
        }
        // Keys are asked for like this.
        let keys = Check::RetainedWildcard;
        if let Err(Failed(reason)) = self.with(None, keys, Kind::Plain).await {
            let text =
                format!("keys do not come; without sealmq, retained values neither: {reason}");
            return (Verdict::Limit, self.no_keys.get_or_init(|| text).clone());
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
            huge: self.args.huge,
            lane: match check.lane() {
                Lane::Slow => SLOW,
                Lane::Main | Lane::Last => "",
            },
            restart: self.args.restart.as_deref(),
        };
        let within = self.args.within();
        let played = timeout(within, check.play(&stage)).await;
        played.unwrap_or_else(|_| Err(Failed::new(format_args!("no end within {within:?}"))))
    }

    /// Takes what the run has retained off the broker.
    async fn tidy_up(&self) {
        let session = Session {
            id: Some(format!("{}last", self.id())),
            ..Session::default()
        };
        let Ok(mut client) = Client::plain(self.link, &session) else {
            return;
        };
        let cleared = Extra {
            retain: true,
            ..Extra::default()
        };
        // What is not there any more needs no tidying up; nor does what the broker does not say.
        let filters = [format!("{}-{}/#", self.args.topic, self.token)];
        for filter in &filters {
            let _refused = client.subscribe(filter, 1, Retained::Always).await;
        }
        while let Ok(Some(happening)) =
            timeout(Duration::from_millis(500), client.happenings.recv()).await
        {
            if let Happening::Message(message) = happening
                && message.retained
            {
                let _gone = client
                    .publish(&message.topic, 1, Vec::new(), cleared.clone())
                    .await;
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
