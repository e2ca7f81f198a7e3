// Runs the Lambdas of recipes/renewals/before on each body of a JSON array, and prints their answers and their calls of EventBridge.
import { calls } from '@aws-sdk/client-eventbridge';
import { handler as accept } from './accept.mjs';
import { handler as renew } from './renew.mjs';

const runs = [];
for (const body of JSON.parse(process.argv[2])) {
  const { statusCode, body: answer } = await accept({ body: JSON.stringify(body) });
  const target = calls.find(([name]) => name === 'PutTargetsCommand');
  const invoice = target && (await renew(JSON.parse(target[1].Targets[0].Input)));
  runs.push({ status: statusCode, errors: JSON.parse(answer).errors ?? [], calls: calls.splice(0), invoice });
}
console.log(JSON.stringify(runs));
