"""What sales add to the pages of a show: who may move and cancel it."""

MAY_MOVE = "catalog.change_show"
MAY_CANCEL = "catalog.cancel_show"
