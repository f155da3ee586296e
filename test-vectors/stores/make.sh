#!/bin/bash
# Makes the stores of one version: make.sh PROGRAM FOLDER
#
# PROGRAM is the `sealmq` of a build whose stores shall open for ever. See README.md.
set -euo pipefail
program=$(realpath "$1")
target=$(realpath -m "$2")
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"

# One domain of each suite. The authority's store has a passphrase, all others one key file.
for suite in 1 2; do
  mkdir "$work/suite-$suite" "$work/suite-$suite.new"
  cd "$work/suite-$suite"
  export SEALMQ_KEY_FILE=stores.key
  unset SEALMQ_PASSPHRASE
  authority() { SEALMQ_KEY_FILE='' "$program" "$@" --passphrase-file passphrase; }
  echo 'a store that is kept' > passphrase
  port=$((21800 + suite))
  at=(-h 127.0.0.1 -p "$port")

  authority init --delegation-days 3650 --suite "$suite" --root-key-file stores.key
  authority group add plant --topic 'plant/#'
  "$program" root show > root.pub
  for device in sensor office gone; do
    case $device in
      sensor) grants=(--publish 'plant:plant/%c/#') ;;
      *) grants=(--subscribe plant) ;;
    esac
    "$program" member request $device --dir $device --root root.pub -o $device.req
    authority member add $device.req "${grants[@]}" --days 3650 -o $device.cred
    "$program" member install $device.cred --dir $device
  done

  "$program" broker --listen "127.0.0.1:$port" > broker.log 2>&1 &
  SEALMQ_KEY_FILE='' "$program" authority run "${at[@]}" --passphrase-file passphrase > authority.log 2>&1 &
  until grep -q 'the broker has all' authority.log; do sleep 0.2; done

  # Each of them follows an ordinary and a healing epoch, and something was said.
  for round in 1 2; do
    "$program" sub --dir office "${at[@]}" -t 'plant/#' -C 1 -R > office.out 2>&1 &
    reading=$!
    sleep 2
    "$program" pub --dir sensor "${at[@]}" -t plant/sensor/temp -m "$round"
    wait $reading
    case $round in
      1) "$program" sub --dir gone "${at[@]}" -t 'plant/#' -W 2 || true
         authority rotate plant ; authority member remove gone ;;
    esac
    sleep 2
  done

  # A token nobody used, a request that waits, a device whose request was never answered.
  authority token create --group plant --role subscribe --ttl 1h --uses 5 "${at[@]}" > unused.token
  "$program" join --root root.pub --name lab --dir lab "${at[@]}" --timeout 60s > lab.log 2>&1 &
  joining=$!
  until authority authority pending | grep -q lab; do sleep 0.5; done
  kill $joining
  "$program" member request meter --dir meter --root root.pub -o meter.req

  sleep 1
  kill $(jobs -p) 2>/dev/null || true
  wait || true

  new="$work/suite-$suite.new"
  cp sealmq-authority/authority.store "$new/authority.store"
  cp sealmq-authority/root.store "$new/root.store"
  kept=(sensor office)
  if [ $suite = 1 ]; then kept+=(gone lab meter); fi
  for device in "${kept[@]}"; do cp $device/member.store "$new/$device.store"; done
  cp stores.key passphrase root.pub "$new"
done
mkdir -p "$target"
for suite in 1 2; do
  rm -rf "$target/suite-$suite"
  cp -r "$work/suite-$suite.new" "$target/suite-$suite"
done
