// Stands in for @aws-sdk/client-eventbridge: records each call, and answers nothing.
export const calls = [];

class Command {
  constructor(input) {
    this.input = input;
  }
}

export class PutRuleCommand extends Command {}
export class PutTargetsCommand extends Command {}
export class RemoveTargetsCommand extends Command {}
export class DeleteRuleCommand extends Command {}

export class EventBridgeClient {
  async send(command) {
    calls.push([command.constructor.name, command.input]);
    return {};
  }
}
