// Before: the Lambda behind POST /renewals. Makes one rule of EventBridge for each request.
import { EventBridgeClient, PutRuleCommand, PutTargetsCommand } from '@aws-sdk/client-eventbridge';

const events = new EventBridgeClient({});

export async function handler(event) {
  const request = JSON.parse(event.body);
  const errors = check(request);
  const at = new Date(request.renewAt);
  if (Number.isNaN(at.getTime())) errors.push({ member: 'renewAt', message: 'give a time' });
  if (errors.length > 0) return { statusCode: 400, body: JSON.stringify({ errors }) };

  const { subscription, months } = request;
  const rule = `renewal-${subscription}-${at.getTime()}`;
  const cron = `cron(${at.getUTCMinutes()} ${at.getUTCHours()} ${at.getUTCDate()} ${at.getUTCMonth() + 1} ? *)`;
  await events.send(new PutRuleCommand({ Name: rule, ScheduleExpression: cron }));
  const Input = JSON.stringify({ rule, subscription, months });
  await events.send(new PutTargetsCommand({ Rule: rule, Targets: [{ Id: 'renew', Arn: process.env.TARGET_ARN, Input }] }));
  return { statusCode: 202, body: JSON.stringify({ rule }) };
}

function check({ subscription, months }) {
  const errors = [];
  if (typeof subscription !== 'string' || !/^S-\d+$/.test(subscription)) {
    errors.push({ member: 'subscription', message: 'give the number of a subscription, such as S-17' });
  }
  if (!Number.isInteger(months) || months < 1 || months > 24) errors.push({ member: 'months', message: 'give 1 to 24 months' });
  return errors;
}
