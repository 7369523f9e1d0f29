import{n as e}from"./rolldown-runtime-WkwZ5CU-.js";import{C as t,T as n,m as r,p as i,w as a}from"./library-BC7o7nnn.js";import{v as o}from"./index-jEdZ3HMA.js";import{planCampaign as s}from"./CampaignDocument-CrSME7uq.js";import{t as c}from"./DocumentEditor-DX1CLi32.js";var l=e(n(),1),u=a(),d=`campaign.yaml`,f=`key: my-campaign
name: My campaign
entry:
  event: Signed Up
steps:
  - id: rest
    delay: 1d
`,p=e=>/^key:\s*['"]?([^\s'"#]+)/m.exec(e)?.[1]??`my-campaign`;function m(){let e=r(),n=t(),a=(0,l.useRef)(``);return(0,u.jsx)(o,{title:`New campaign`,crumb:(0,u.jsx)(i,{to:`/documents`,children:`Documents`}),children:(0,u.jsx)(c,{initial:{[d]:f},schemaName:`campaign`,plan:e=>(a.current=p(e[d]??``),s(a.current,e)),isDrawn:!0,applied:()=>{n.invalidateQueries(),e({to:`/campaigns/$key`,params:{key:a.current}})}})})}export{m as NewCampaignPage};