"""generate the table, run under pytest as a test module copy"""
import re
from tests import test_back_office_rights as t
from tests.test_back_office_rights import *
def test_gen(browsers):
    own, other, clients = browsers
    out=[]
    scoped=("theatre","screen","show","seat","order","booking","hold","auditentry")
    for route in dict.fromkeys(t.routes()):
        deeds=["get"]
        last=route.rstrip("/").split("/")[-1]
        model=route.split("/")[2] if len(route.split("/"))>2 else ""
        if last in("add","change"): deeds.append("save")
        if last=="delete": deeds.append("delete")
        if re.fullmatch(r"admin/\w+/%s/"%model, route) and model in own.objects: deeds.append("delete-all")
        if last=="room": deeds.append("block")
        if last in ("seat-map","relay"): deeds.append("lay")
        if last=="remove": deeds.append("save")
        if route=="admin/box-office/shows/<bigint:show_id>/": deeds.append("sell")
        if route=="admin/box-office/orders/<slug:reference>/": deeds.append("cancel")
        if "/move/" in route: deeds.append("move")
        if last=="password" : deeds.append("save")
        for d in deeds:
            isob = "<" in route and (model in scoped or "box-office" in route) or (d=="delete-all" and model in scoped)
            row=Row(route,d,(),())
            cells=[]
            for house in (own,other) if isob else (own,):
                line=[]
                for name in COLUMNS:
                    b=transaction.savepoint()
                    try: line.append(answer(clients[name],row,house))
                    except Exception as e: line.append(repr(e)[:200].replace(" ","_"))
                    transaction.savepoint_rollback(b)
                cells.append(" ".join(f"{c:5}" for c in line))
            out.append(f"{route:62} | {d:10} | {cells[0]} | {cells[1] if isob else ''}".rstrip())
    open("/tmp/sales/table.txt","w").write("\n".join(out)+"\n")
