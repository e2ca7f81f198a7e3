// Before: the Lambda that the rule calls. Does the work, then deletes the rule.
import { DeleteRuleCommand, EventBridgeClient, RemoveTargetsCommand } from '@aws-sdk/client-eventbridge';

const events = new EventBridgeClient({});

export async function handler({ rule, subscription, months }) {
  const answer = await fetch(process.env.BILLING_URL, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${process.env.BILLING_TOKEN}` },
    body: JSON.stringify({ subscription, months }),
  });
  if (!answer.ok) throw new Error(`billing answered ${answer.status}`);
  const invoice = await answer.json();
  await events.send(new RemoveTargetsCommand({ Rule: rule, Ids: ['renew'] }));
  await events.send(new DeleteRuleCommand({ Name: rule }));
  return invoice;
}
