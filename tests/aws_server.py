"""Starts moto's server, without three things that take most of its time: a log line for each call, a look through the directory of its
services for each call, and a copy of the whole table, for a rollback, for each item of a transaction instead of once."""

import copy
import functools
import logging
import threading
from types import SimpleNamespace

from moto import server
from moto.dynamodb import models as dynamodb
from moto.moto_server.werkzeug_app import DomainDispatcherApplication

logging.getLogger("werkzeug").setLevel(logging.ERROR)
DomainDispatcherApplication.get_backend_for_host = functools.cache(DomainDispatcherApplication.get_backend_for_host)

transaction = threading.local()
transact_write_items = dynamodb.DynamoDBBackend.transact_write_items


def transact_with_one_copy(backend, items):
    transaction.copies = {}
    try:
        transact_write_items(backend, items)
    finally:
        transaction.copies = None


def deepcopy(value):
    return copy.deepcopy(value, transaction.copies if isinstance(value, dynamodb.Table) else None)


dynamodb.DynamoDBBackend.transact_write_items = transact_with_one_copy
dynamodb.copy = SimpleNamespace(deepcopy=deepcopy)

server.main()
