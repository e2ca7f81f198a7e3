#!/usr/bin/env bash
# Verifies a deployment after `sam deploy` or `terraform apply`, and prints a report in Markdown: infra/verify.sh [STACK]
#
# Needs bash, curl 7.75 or later, the AWS CLI, `postdate`, and credentials for the stack's account that may deploy. For a deployment by
# Terraform, set VERIFY_TERRAFORM to the directory of its configuration, infra/terraform: `terraform` reads the outputs there. The stack must
# have Authorizer=IAM, and DeliveryTargetArns with the two queues that this script makes and deletes:
#   arn:aws:sqs:REGION:ACCOUNT:${Prefix}verify,arn:aws:sqs:REGION:ACCOUNT:${Prefix}verify-later
# VERIFY_ARCH=x86_64 where the functions have that architecture, and VERIFY_POSTDATE, the path of `postdate`, may be set.
# Pushes the use case `verify`, a copy of the sample `orders`, and posts five requests. Takes about 25 minutes. The exit code is 1 if
# a check failed. No secret is printed.
set -euo pipefail

stack=${1:-postdate}
postdate=${VERIFY_POSTDATE:-postdate}
bundle=${VERIFY_BUNDLE:-$(dirname "$0")/../use-cases/orders}
arch=${VERIFY_ARCH:-arm64}
near=${VERIFY_NEAR:-120}         # seconds until the near requests are due
far=${VERIFY_FAR:-1200}          # seconds until the request with a rule is due; more than 900
poll=${VERIFY_POLL:-5}           # seconds between two looks
patience=${VERIFY_PATIENCE:-300} # seconds that a request may take beyond its time

# Version 1 of the AWS CLI ignores AWS_ENDPOINT_URL for SQS.
aws() { command aws ${AWS_ENDPOINT_URL:+--endpoint-url "$AWS_ENDPOINT_URL"} "$@"; }

lines=()
failed=0
report() { # RESULT WHAT [DETAIL]
  local detail=${3:-}
  echo "$1: $2${detail:+ ($detail)}" >&2
  lines+=("| $1 | $2 | ${detail//$'\n'/, } |")
  [ "$1" = ok ] || failed=1
}
check() { # WHAT EXPECTED FOUND
  if [ "$2" = "$3" ]; then report ok "$1" "$3"; else report FAILED "$1" "expected ${2:-nothing}, found ${3:-nothing}"; fi
}

output() { # NAME: an output of the stack, which Terraform spells in lower case with underscores
  if [ -n "${VERIFY_TERRAFORM:-}" ]; then
    terraform -chdir="$VERIFY_TERRAFORM" output -raw "$(sed 's/\(.\)\([A-Z]\)/\1_\2/g' <<<"$1" | tr '[:upper:]' '[:lower:]')"
    return
  fi
  aws cloudformation describe-stacks --stack-name "$stack" --output text --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue"
}
api=$(output ApiUrl)
target=$(output TargetArn)
if [ -z "$api" ] || [ -z "$target" ]; then
  echo "error: ${VERIFY_TERRAFORM:-the stack $stack} has no output ApiUrl or TargetArn" >&2
  exit 2
fi
# arn:PARTITION:lambda:REGION:ACCOUNT:function:PREFIXtarget:live
IFS=: read -r _ partition _ region account _ function _ <<<"$target"
prefix=${function%target}
arn="arn:$partition:sqs:$region:$account:${prefix}verify"
export AWS_REGION=$region AWS_DEFAULT_REGION=$region
if [ -z "${AWS_ACCESS_KEY_ID:-}" ]; then eval "$(aws configure export-credentials --format env)"; fi

# Calls the API, signed, and sets `status` and `body`. The credentials are not on a command line, which other users could read.
call() { # METHOD PATH [BODY]
  local answer options=(--silent --show-error --max-time 60 --request "$1" --write-out '\n%{http_code}' --aws-sigv4 "aws:amz:$region:execute-api")
  if [ -n "${3:-}" ]; then options+=(--header 'content-type: application/json' --data "$3"); fi
  answer=$(curl "${options[@]}" "$api$2" --config - <<<"user = \"$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY\"${AWS_SESSION_TOKEN:+
header = \"x-amz-security-token: $AWS_SESSION_TOKEN\"}") || answer=$'\n000'
  status=${answer##*$'\n'}
  body=${answer%$'\n'*}
}
field() { # NAME: the first text of this name in `body`
  grep -oE "\"$1\": *\"[^\"]*\"" <<<"$body" | sed -n '1s/.*: *"\(.*\)"/\1/p' || true
}
post() { # WHAT DELAY TARGET: sets `id`
  call POST /requests/verify "{\"delay\": \"PT$2S\", \"target\": \"$3\", \"customer\": \"ada\", \"item\": \"book\", \"quantity\": 2}"
  check "$1: accepted" 202 "$status"
  id=$(field correlationId)
  if [ "$status" != 202 ]; then echo "$body" >&2; fi
}
reaches() { # WHAT ID STATUS SECONDS
  local end=$((SECONDS + $4 + patience)) found=
  while [ "$SECONDS" -lt "$end" ]; do
    call GET "/requests/$2"
    found=$(field status)
    case $found in "$3" | succeeded | failed | cancelled | expired) break ;; esac
    sleep "$poll"
  done
  check "$1" "$3" "$found"
}
# The document of a request in `body`: its time, and the first line of its history that says `started`.
never_early() { # WHAT
  local due started
  due=$(field triggerAt)
  started=$(grep -oE '"at": *"[^"]*", *"event": *"started"' <<<"$body" | sed -n '1s/"at": *"\([^"]*\)".*/\1/p' || true)
  # Times in UTC with milliseconds sort as text.
  if [ -n "$started" ] && [[ ! $started < $due ]]; then report ok "$1: not early" "due $due, started $started"; else report FAILED "$1: not early" "due $due, started ${started:-never}"; fi
}
timers() { # rules and schedules of requests, one name a line
  aws events list-rules --name-prefix "$prefix" --output text --query 'Rules[].[Name]' &&
  aws scheduler list-schedules --name-prefix "$prefix" --output text --query 'Schedules[].[Name]'
}
count() { # ID: rules and schedules of a request
  timers | grep -c -- "$1" || true
}
queue_url() { aws sqs get-queue-url --queue-name "$1" --output text --query QueueUrl; }
take() { # QUEUE SECONDS: the body of a message of the queue, or nothing
  local end=$((SECONDS + $2 + patience)) url message
  url=$(queue_url "$1")
  while [ "$SECONDS" -lt "$end" ]; do
    message=$(aws sqs receive-message --queue-url "$url" --output text --query 'Messages[0].Body')
    if [ -n "$message" ] && [ "$message" != None ]; then
      echo "$message"
      return
    fi
    sleep "$poll"
  done
}

work=$(mktemp -d)
queues=()
clean() {
  rm -rf "$work"
  for queue in ${queues[@]+"${queues[@]}"}; do aws sqs delete-queue --queue-url "$(queue_url "$queue")" || true; done
}
trap clean EXIT

# Makes a queue to which rules with the prefix may send: the direct target's rule does.
make_queue() { # NAME
  printf '{"Policy": "%s"}' "$(printf '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"%s","Condition":{"ArnLike":{"aws:SourceArn":"%s"}}}]}' \
    "arn:$partition:sqs:$region:$account:$1" "arn:$partition:events:$region:$account:rule/$prefix*" | sed 's/"/\\"/g')" >"$work/attributes.json"
  aws sqs create-queue --queue-name "$1" --attributes "file://$work/attributes.json" >/dev/null
  queues+=("$1")
}

echo "verifying ${VERIFY_TERRAFORM:-$stack}: $api" >&2
check "a call without a signature is refused" 403 "$(curl --silent --output /dev/null --max-time 60 --write-out '%{http_code}' "$api/requests/none" || true)"

make_queue "${prefix}verify"
mkdir "$work/verify"
cp "$bundle"/*.wasm "$work/verify/"
sed -e '/^\[targets\]/,$d' -e 's/^name = .*/name = "verify"/' -e 's/^max-attempts = .*/max-attempts = 1/' "$bundle/use-case.toml" >"$work/verify/use-case.toml"
cat >>"$work/verify/use-case.toml" <<MANIFEST
[targets]
default = "here"
here = { kind = "plugin" }
direct = { kind = "sqs", direct = true, arn = "$arn" }
later = { kind = "sqs", arn = "$arn-later" }
MANIFEST
if "$postdate" use-case push "$work/verify" --to "$(output UseCasesUrl)" --arch "$arch" >&2; then
  report ok "a use case is pushed"
else
  report FAILED "a use case is pushed"
fi
# A function that serves another version of `verify` looks for a new one after 10 seconds.
sleep "$((poll < 5 ? poll : 12))"

# The role of the processor needs s3:ListBucket: without it, S3 answers 403 for a missing object, and the API answers 5xx.
call POST /requests/verify-nothing '{"delay": "PT1M"}'
check "an unknown use case is 404, and not 403 by S3" "404 unknown-use-case" "$status $(field code)"

post "a request due in $far s" "$far" here
far_id=$id
check "a request due in $far s: one rule or schedule waits" 1 "$(count "$far_id")"
post "a request to cancel" "$far" here
cancelled=$id
call DELETE "/requests/$cancelled"
check "a request to cancel: cancelled" "200 cancelled" "$status $(field status)"
check "a request to cancel: no rule or schedule" 0 "$(count "$cancelled")"
post "a request due in $near s" "$near" here
near_id=$id
post "a direct target" "$near" direct
direct=$id
post "a target that fails" "$near" later
later=$id

echo "waiting for the requests" >&2
reaches "a request due in $near s: succeeded" "$near_id" succeeded "$near"
never_early "a request due in $near s"
message=$(take "${prefix}verify" "$near")
check "a direct target: the message arrived" book "$(body=$message field item)"
reaches "a target that fails: failed" "$later" failed "$near"
dead_letter() { "$postdate" dead-letter --queue "$(output DeadLettersUrl)" --to "$(output DelayQueueUrl)" "$@"; }
# The letter follows the record of the failure.
end=$((SECONDS + patience)) found=
until found=$(dead_letter list | grep -c -- "$later" || true) && [ "$found" -gt 0 ] || [ "$SECONDS" -ge "$end" ]; do sleep "$poll"; done
check "a target that fails: in the dead-letter queue" 1 "$((found > 0))"
make_queue "${prefix}verify-later"
dead_letter redrive "$later" >&2 || true
message=$(take "${prefix}verify-later" 0)
check "a target that fails: delivered after the redrive" book "$(body=$message field item)"
reaches "a target that fails: succeeded after the redrive" "$later" succeeded 0
reaches "a request due in $far s: succeeded" "$far_id" succeeded "$far"
never_early "a request due in $far s"
# The janitor removes a direct target's rule when EventBridge can no longer deliver: MaxEventAge after its time, an hour by default.
end=$((SECONDS + patience)) left=unknown
while [ -n "$left" ] && [ "$SECONDS" -lt "$end" ]; do
  if left=$(timers); then left=$(grep -v -- "$direct" <<<"$left" || true); else left="the list cannot be read"; fi
  if [ -n "$left" ]; then sleep "$poll"; fi
done
check "no rule or schedule is left" "" "$left"

cat <<REPORT
# Verification of \`${VERIFY_TERRAFORM:-$stack}\`

$(date -u +%Y-%m-%dT%H:%M:%SZ), region $region, $("$postdate" --version), $(aws --version 2>&1), prefix \`$prefix\`

| result | check | detail |
|---|---|---|
$(printf '%s\n' "${lines[@]}")

Requests: near \`$near_id\`, far \`$far_id\`, cancelled \`$cancelled\`, direct \`$direct\`, redriven \`$later\`.
The direct request's rule stays until MaxEventAge after its time; then
\`aws events list-rules --name-prefix $prefix\` is to show no rule.
REPORT
exit "$failed"
