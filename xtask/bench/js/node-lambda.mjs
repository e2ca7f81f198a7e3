// Baseline: a Lambda in Node.js that makes the AWS calls of an accepted POST.
import { DynamoDBClient, GetItemCommand, TransactWriteItemsCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { EventBridgeClient, PutRuleCommand, PutTargetsCommand } from '@aws-sdk/client-eventbridge';

const [table, rules] = [new DynamoDBClient({}), new EventBridgeClient({})];
const TableName = process.env.POSTDATE_TABLE;
const Key = { pk: { S: 'x' }, sk: { S: 'x' } };
await table.send(new GetItemCommand({ TableName, Key }));

async function accept(body) {
  await table.send(new UpdateItemCommand({ TableName, Key }));
  const put = (sk) => ({ Put: { TableName, Item: { pk: { S: 'y' }, sk: { S: sk }, body: { S: body } } } });
  await table.send(new TransactWriteItemsCommand({ TransactItems: [put('request'), put('body')] }));
  await rules.send(new PutRuleCommand({ Name: 'postdate-node', ScheduleExpression: 'cron(0 0 1 1 ? 2030)' }));
  await rules.send(new PutTargetsCommand({ Rule: 'postdate-node', Targets: [{ Id: 'it', Arn: process.env.POSTDATE_TARGET_ARN, Input: body }] }));
  return { statusCode: 202, body: '{}' };
}

const api = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation`;
for (;;) {
  const next = await fetch(`${api}/next`);
  const id = next.headers.get('lambda-runtime-aws-request-id');
  const answer = await accept((await next.json()).body);
  await fetch(`${api}/${id}/response`, { method: 'POST', body: JSON.stringify(answer) });
}
