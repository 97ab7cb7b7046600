"""A Chinese quality notice, exported to PDF with an embedded font subset."""

from __future__ import annotations

from pathlib import Path

from . import programs, word

_FONT = "Noto Sans CJK SC"
_TEXTS = (
    ("一、事由", (
        "2024年5月，苏州工厂在检验 TX-200 型泵时发现，批次号为 SK-2311 的机械密封在含沙水中磨损过快。"
        "运行约八百小时后，密封面磨损量达到 0.35 毫米，超过允许值 0.20 毫米。",
        "经查，原因是供应商在 2023年10月更换了碳环材料，但没有通知我公司。",
    )),
    ("二、范围", (
        "全集团共有 212 台泵装有该批次密封，其中由苏州工厂交付的有 37 台，分布在五家客户处，详见下表。",
    )),
    ("三、措施", (
        "1. 所有 37 台泵的密封由我公司免费更换，更换后的批次号为 SK-2405。",
        "2. 更换工作由服务部负责，负责人为陆景行，应于2024年10月31日前完成。",
        "3. 从2024年6月1日起，每批密封抽检数量由三套增加到十二套，并增加含沙水试验四十八小时。",
        "4. 库存的 64 套 SK-2311 密封全部退回供应商。",
    )),
    ("四、费用", (
        "预计每台更换费用为人民币 9,800 元，37 台共计人民币 362,600 元。费用先由我公司承担，再向供应商索赔。",
    )),
)  # fmt: skip
_CUSTOMERS = (
    ("客户", "所在地", "台数", "计划更换时间"),
    ("海州化工", "海州", "12", "2024年7月"),
    ("临江水务", "临江", "9", "2024年7月"),
    ("青岩电厂", "青岩", "8", "2024年8月"),
    ("东浦造纸", "东浦", "5", "2024年9月"),
    ("云津食品", "云津", "3", "2024年10月"),
)


def write(samples: Path, work: Path) -> None:
    """Writes ``zhiliang-tongbao-2024-11.pdf``."""
    when = programs.at("2024-06-03 02:20")
    document = word.new("质量通报 2024年第11号", "质量部", when, font=_FONT)
    word.furniture(document, "塔罗比泵业（苏州）有限公司", "内部资料")
    document.add_heading("质量通报 2024年第11号", 1)
    document.add_paragraph("关于 TX-200 型泵机械密封批次 SK-2311 的处理")
    document.add_paragraph("签发：质量部 沈亦航　　日期：2024年6月3日")
    for heading, texts in _TEXTS:
        document.add_heading(heading, 2)
        for text in texts:
            document.add_paragraph(text)
        if heading.startswith("二"):
            word.table(document, _CUSTOMERS, (4, 3, 2.5, 4.5), left=(0, 1, 3))
    name = "zhiliang-tongbao-2024-11"
    source = word.save(document, work / f"{name}.docx")
    programs.office(source, samples / f"{name}.pdf", when)
