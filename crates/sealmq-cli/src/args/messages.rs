use std::num::NonZeroU16;
use std::path::PathBuf;

use clap::{ArgGroup, Args};

use super::duration::{seconds, seconds_u32};
use super::{ConnectionArgs, DeviceArgs, TopicMapArgs};

#[derive(Args)]
#[command(
    after_help = "The options are those of mosquitto_pub, as far as they apply. Differences: the default QoS is 1. \
    The program waits until the broker has acknowledged everything, and ends \
    with a code other than 0 if something was refused. Nothing is ever sent unsealed: a topic that no \
    group covers is refused."
)]
#[command(group = ArgGroup::new("payload").required(true))]
pub(crate) struct PubArgs {
    /// Topic to publish to
    #[arg(short, long, value_name = "TOPIC")]
    pub(crate) topic: String,
    #[command(flatten)]
    pub(crate) input: PubInput,
    /// Quality of service: 0, 1 or 2
    #[arg(short, long, value_name = "QOS", default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub(crate) qos: u8,
    /// The broker keeps the message for those who subscribe later
    #[arg(short, long)]
    pub(crate) retain: bool,
    /// Send the message (of -m, -f, -n or -s) this many times
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) repeat: u32,
    /// Seconds between repeated messages
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0, value_parser = positive_seconds)]
    pub(crate) repeat_delay: f64,
    /// Publish at most N messages a second, for brokers that lose what comes faster (AWS IoT Core:
    /// 100; take a tenth less)
    #[arg(long, value_name = "N")]
    pub(crate) publishes_per_second: Option<NonZeroU16>,
    /// Content type; travels sealed, like the four that follow
    #[arg(long, value_name = "TYPE")]
    pub(crate) content_type: Option<String>,
    /// Topic for answers
    #[arg(long, value_name = "TOPIC")]
    pub(crate) response_topic: Option<String>,
    /// What an answer brings along
    #[arg(long, value_name = "TEXT", requires = "response_topic")]
    pub(crate) correlation_data: Option<String>,
    /// Readers refuse the message after this time
    #[arg(long, value_name = "TIME", value_parser = seconds_u32)]
    pub(crate) expiry: Option<u32>,
    /// A user property; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = name_value)]
    pub(crate) user_property: Vec<(String, String)>,
    /// The short form: at most 100 bytes more than the payload, for links where bytes are dear. A
    /// record of the session, some 400 bytes, goes out first
    #[arg(long, conflicts_with = "retain")]
    pub(crate) short: bool,
    /// How long to wait for the group's keys and for acknowledgements
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = seconds)]
    pub(crate) patience: u64,
    /// Say what happens, on standard error
    #[arg(short, long)]
    pub(crate) debug: bool,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) topic_map: TopicMapArgs,
}

/// Where payloads come from: exactly one of these.
#[derive(Args, Clone)]
pub(crate) struct PubInput {
    /// The message
    #[arg(
        short,
        long,
        value_name = "TEXT",
        group = "payload",
        allow_hyphen_values = true
    )]
    pub(crate) message: Option<String>,
    /// A file whose content is the message
    #[arg(short, long, value_name = "FILE", group = "payload")]
    pub(crate) file: Option<PathBuf>,
    /// Each line of standard input is a message, without its newline
    #[arg(short = 'l', long, group = "payload")]
    pub(crate) stdin_line: bool,
    /// All of standard input is the message
    #[arg(short = 's', long, group = "payload")]
    pub(crate) stdin_file: bool,
    /// An empty message; with -r it clears the retained one, which needs no key and can be done by anybody
    #[arg(short, long, group = "payload")]
    pub(crate) null_message: bool,
}

const FORMATS: &str = "Format (-F): text in which these are replaced
  %t topic               %p payload             %x %X payload in hex
  %s sender's name       %n sender's number     %g group          %e epoch
  %a time sealed (sender's clock, ISO 8601)     %A seconds since then
  %l payload length in bytes
  %I time received, ISO 8601                    %U time received, Unix seconds
  %r 1 if retained       %j as --json
  %S session number      %m number in session   %G messages missed before this one
  %C content type        %R response topic      %D correlation data
  %E expiry in seconds   %F payload format      %P user properties, NAME:VALUE
  %% a percent sign      \\n \\t \\r \\0 \\\\ \\a \\e as usual
A newline follows each message unless -N is given. Control characters of topics, names and properties
are shown as \\u{1b}, those of payloads (%p, %D) on a terminal only: files and pipes get the bytes.";

#[derive(Args)]
#[command(after_help = format!("{FORMATS}\n\nThe options are those of mosquitto_sub, as far as they apply; the default \
    QoS is 1. Messages that cannot be opened are reported on standard error with the reason, and never \
    printed; what was received is summed up there at the end."))]
pub(crate) struct SubArgs {
    /// Topic filter to subscribe to; may be given several times
    #[arg(short, long, value_name = "FILTER", required = true)]
    pub(crate) topic: Vec<String>,
    /// Print nothing for topics that match this filter; may be given several times
    #[arg(short = 'T', long, value_name = "FILTER")]
    pub(crate) filter_out: Vec<String>,
    /// Quality of service: 0, 1 or 2
    #[arg(short, long, value_name = "QOS", default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub(crate) qos: u8,
    /// End after this many messages
    #[arg(short = 'C', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// End after this many seconds, with code 27 unless -C was reached
    #[arg(short = 'W', long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout: Option<u64>,
    /// Print the topic before each payload; -F says it all
    #[arg(short, long, conflicts_with = "json")]
    pub(crate) verbose: bool,
    /// Print no newline after a message
    #[arg(short = 'N', long)]
    pub(crate) no_newline: bool,
    /// Format of each message, see below
    #[arg(
        short = 'F',
        long,
        value_name = "FORMAT",
        conflicts_with = "json",
        allow_hyphen_values = true
    )]
    pub(crate) format: Option<String>,
    /// Print each message as one line of JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Print no retained messages from before the subscription
    #[arg(short = 'R', long = "no-retained", conflicts_with = "retained_only")]
    pub(crate) no_retained: bool,
    /// Print retained messages only, and end at the first one that is not
    #[arg(long)]
    pub(crate) retained_only: bool,
    /// Keep the session at the broker, so that messages queue while this program is away; needs -i
    #[arg(short = 'c', long = "disable-clean-session", requires = "id")]
    pub(crate) keep_session: bool,
    /// How long the broker keeps the session of -c
    ///
    /// As long as a group's keys open what was queued, by default: the window of two epochs, with a
    /// rotation a day. A longer time needs a larger `group add --window`.
    #[arg(short = 'x', long, value_name = "TIME", default_value = "2d", requires = "keep_session", value_parser = seconds_u32)]
    pub(crate) session_expiry_interval: u32,
    /// Also print messages that this member published itself
    #[arg(long)]
    pub(crate) own: bool,
    /// Write replay protection to disk before each message is printed: nothing can be replayed even after
    /// a crash; slower
    #[arg(long)]
    pub(crate) strict: bool,
    /// Report nothing on standard error but failures
    #[arg(long, conflicts_with = "debug")]
    pub(crate) quiet: bool,
    /// Say what happens, on standard error
    #[arg(short, long)]
    pub(crate) debug: bool,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) topic_map: TopicMapArgs,
}

fn positive_seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("a number of seconds from 0 to 86400".to_owned()),
    }
}

fn name_value(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "a user property is NAME=VALUE".to_owned())
}
